//! Java's classes beyond the everyday ones, and how Rhino reads a source.

mod support;

use countersign_script::Action;
use countersign_script::Generation::{Legacy, Next};
use serde_json::json;
use support::{decide, fails, values};

#[test]
fn points_in_time() {
    let all = "[
        java.time.LocalDate.of(2024, 2, 29).plusYears(1).toString(), java.time.LocalDate.parse('2024-01-31').plusMonths(1).toString(),
        java.time.LocalDateTime.parse('2024-05-06T07:08').plusHours(20).toString(),
        java.time.LocalDate.parse('2024-03-01').isBefore(java.time.LocalDate.parse('2024-03-02')),
        java.time.temporal.ChronoUnit.DAYS.between(java.time.LocalDate.parse('2024-02-28'), java.time.LocalDate.parse('2024-03-01')),
        java.time.temporal.ChronoUnit.YEARS.between(java.time.LocalDate.parse('2000-06-15'), java.time.LocalDate.parse('2024-06-14')),
        java.time.ZonedDateTime.parse('2024-05-06T07:08:09.120+02:00').toInstant().toString(),
        java.time.Instant.parse('2024-05-06T07:08:09Z').atZone(java.time.ZoneId.of('UTC')).getHour(),
        java.time.Instant.ofEpochSecond(5).plus(2, java.time.temporal.ChronoUnit.SECONDS).getEpochSecond(),
        java.time.Instant.ofEpochSecond(5).plus(java.time.Duration.ofMinutes(1)).isAfter(java.time.Instant.ofEpochSecond(64)),
        java.time.format.DateTimeFormatter.ofPattern('dd/MM/yyyy HH:mm').withZone(java.time.ZoneOffset.UTC).format(java.time.Instant.ofEpochSecond(0)),
        java.time.LocalDate.parse('06.05.2024', java.time.format.DateTimeFormatter.ofPattern('dd.MM.yyyy')).getDayOfWeek().toString(),
        java.time.LocalDateTime.of(2024, 1, 2, 3, 4, 5).format(java.time.format.DateTimeFormatter.ISO_LOCAL_DATE),
        java.time.OffsetDateTime.parse('2024-05-06T07:08:09Z').truncatedTo(java.time.temporal.ChronoUnit.HOURS).toString(),
        java.time.LocalDate.of(2024, 1, 2).atStartOfDay(java.time.ZoneId.of('Z')).toInstant().toEpochMilli(),
        new java.util.Date(0).toInstant().toString(), java.util.Date().getTime() > 0]";
    let read = json!([
        "2025-03-01",
        "2024-02-29",
        "2024-05-07T03:08:00",
        true,
        2,
        23,
        "2024-05-06T05:08:09.120Z",
        7,
        7,
        true,
        "01/01/1970 00:00",
        "MONDAY",
        "2024-01-02",
        "2024-05-06T07:00:00Z",
        1_704_153_600_000_u64,
        "1970-01-01T00:00:00Z",
        true
    ]);
    // The twenty-ninth of February is followed by its month's last day, as Java has it.
    let mut read = read;
    read[0] = json!("2025-02-28");
    assert_eq!(values(Legacy, all, json!({})), read);
    let calendar =
        "(function () { var c = java.util.Calendar.getInstance(); c.setTimeInMillis(0); c.add(java.util.Calendar.DAY_OF_MONTH, 31);
        c.add(java.util.Calendar.MONTH, 1); return [c.get(java.util.Calendar.MONTH), c.get(java.util.Calendar.DATE), c.getTime().getTime()]; })()";
    assert_eq!(values(Legacy, calendar, json!({})), json!([2, 1, 5_097_600_000_u64]));
    assert!(fails(Legacy, "java.time.ZoneId.of('Europe/Zurich')").to_string().contains("Europe/Zurich"));
}

#[test]
fn the_rest_of_the_library() {
    let all = "[
        java.util.regex.Pattern.compile('(\\\\d+)-(\\\\d+)').matcher('10-20').matches(), java.util.regex.Pattern.matches('a.c', 'abcd'),
        (function () { var m = java.util.regex.Pattern.compile('[a-z]+').matcher('ab 12 cd'); var found = []; while (m.find()) found.push(m.group()); return found; })(),
        (function () { var u = new java.net.URI('https://u@host:8443/a%20b?x=1&y=2#f'); return [u.getScheme(), u.getHost(), u.getPort(), u.getPath(), u.getRawQuery(), u.getFragment()]; })(),
        new java.math.BigInteger('ff', 16).add(java.math.BigInteger.ONE).toString(), new java.math.BigInteger('12345678901234567890').mod(java.math.BigInteger.TEN).intValue(),
        (function () { var t = new java.util.StringTokenizer('a,b,,c', ','); var all = []; while (t.hasMoreTokens()) all.push(t.nextToken()); return all; })(),
        com.google.common.collect.ImmutableList.of('a', 'b').size(), com.google.common.collect.ImmutableMap.of('k', 'v').get('k'),
        java.util.Arrays.asList('a', 'b').stream().map(function (x) { return x + x; }).collect(java.util.stream.Collectors.joining('-')),
        new java.util.concurrent.ConcurrentHashMap().isEmpty(), Java.type('java.lang.Math').max(1, 2)]";
    assert_eq!(
        values(Legacy, all, json!({})),
        json!([
            true,
            false,
            ["ab", "cd"],
            ["https", "host", 8443, "/a b", "x=1&y=2", "f"],
            "256",
            0,
            ["a", "b", "c"],
            2,
            "v",
            "aa-bb",
            true,
            2
        ])
    );
}

#[test]
fn texts_split_and_replace_by_expressions() {
    let all = "['a.b.c'.split('\\\\.').length, 'a.b'.split('.').length, 'a|b'.split('\\\\|')[1], 'x1y22'.replaceAll('[0-9]+', '#'),
        'a.b'.replaceAll('-', '.'), 'a-b-c'.replaceAll('-', '+'), '(a'.replaceAll('(', '['), 'a b'.split(' ').length, 'aXbX'.replaceAll(/X/g, '')]";
    assert_eq!(values(Legacy, all, json!({})), json!([3, 2, "b", "x#y#", "a.b", "a+b+c", "[a", 2, "ab"]));
}

#[test]
fn values_are_gone_through() {
    let source =
        "var all = []; for each (var v in [1, 2]) { all.push(v); } for each (x in sharedState.get('map')) all.push(x);
        sharedState.put('it', all); outcome = 'x'";
    assert_eq!(
        decide(Legacy, source, json!({ "shared": { "map": { "a": 3, "b": 4 } } })).shared["it"],
        json!([1, 2, 3, 4])
    );
}

#[test]
fn imports_into_the_global_scope_hide_nothing() {
    let source = "importPackage(java.lang); importPackage(java.util); importClass(java.lang.String);
        var list = new ArrayList(); list.add(String(5)); sharedState.put('it', [list.get(0), Object.keys({ a: 1 })[0], Integer.parseInt('7')]); outcome = 'x'";
    assert_eq!(decide(Legacy, source, json!({})).shared["it"], json!(["5", "a", 7]));
}

#[test]
fn classes_that_are_alike_have_their_own_names() {
    let source =
        "var fr = JavaImporter(java.util.HashMap, java.util.LinkedHashMap, java.util.ArrayList, java.util.LinkedList);
        var m = new fr.HashMap(); m.put('a', new fr.LinkedHashMap()); var l = new fr.LinkedList(); l.add(m.size());
        sharedState.put('it', [new fr.ArrayList(l).get(0), m.get('a').isEmpty(), m instanceof Object]); outcome = 'x'";
    assert_eq!(decide(Legacy, source, json!({})).shared["it"], json!([1, true, true]));
}

#[test]
fn outcomes_are_made_texts_where_java_makes_them() {
    let legacy = "action = org.forgerock.openam.auth.node.api.Action.goTo(true).build()";
    assert_eq!(decide(Legacy, legacy, json!({})).action, Action::GoTo("true".into()));
    assert_eq!(decide(Next, "action.goTo(false)", json!({})).action, Action::GoTo("false".into()));
}

#[test]
fn names_may_be_json_values() {
    let source = "sharedState.put('it', [idRepository.getIdentity(nodeState.get('username')).getName(),
        idRepository.getAttribute(nodeState.get('username'), 'mail').iterator().next()]); outcome = 'x'";
    assert_eq!(
        decide(Legacy, source, json!({ "shared": { "username": "bob" } })).shared["it"],
        json!(["bob", "bob@example.com"])
    );
}
