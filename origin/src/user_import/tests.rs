use countersign_store::IdentityStatus;

use super::{Counts, Format, Target, examine, import, records};
use crate::passwords;
use crate::settings;
use crate::testing::Origin;
use crate::{SystemEntropy, user_import};

const CHEAP: settings::Argon2 = settings::Argon2 { memory_kib: 8, iterations: 1, parallelism: 1, workers: 1, queue: 0 };

/// What came of a file: of looking at it and of importing it, with the lines that were refused.
async fn run(origin: &Origin, format: Format, text: &[u8], write: bool) -> Result<(Counts, Vec<String>), String> {
    let (argon2, settings) = (passwords::hasher(&CHEAP).unwrap(), origin.app.settings());
    let target = Target {
        store: &origin.app.store,
        realm: "/alpha",
        argon2: &argon2,
        entropy: &SystemEntropy,
        now: origin.app.clock.now().seconds(),
        policy: &settings.realm("/alpha").passwords,
        fits: &|new| if new.username == "unfit" { Err("does not fit".to_owned()) } else { Ok(()) },
    };
    let mut refused = Vec::new();
    let mut tell = |line: u64, why: &str| refused.push(format!("{line}: {why}"));
    let mut records = records(format, text)?;
    let counts = match write {
        true => import(&mut *records, &target, &mut tell).await?,
        false => examine(&mut *records, &target, &mut tell).await?,
    };
    Ok((counts, refused))
}

async fn known(origin: &Origin, username: &str) -> Option<countersign_store::Identity> {
    origin.app.store.identities().get("/alpha", username).await.unwrap()
}

const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

#[tokio::test]
async fn the_same_users_come_from_each_format() {
    let csv = format!(
        "\u{feff}userName,password_hash,password,status,mail,mail,\"given\"\"Name\"\r\n\
         ada,{BCRYPT},,active,a@example.com,b@example.com,\"Ada,\nof London\"\r\n\
         bob,,Ch4ng31t,inactive,bob@example.com,,\r\n"
    );
    let jsonl = format!(
        "{{\"userName\":\"ada\",\"password_hash\":\"{BCRYPT}\",\"mail\":[\"a@example.com\",\"b@example.com\"],\
          \"given\\\"Name\":\"Ada,\\nof London\",\"sn\":null}}\n\n\
         {{\"uid\":\"bob\",\"password\":\"Ch4ng31t\",\"accountStatus\":\"inactive\",\"mail\":\"bob@example.com\"}}"
    );
    let ldif = format!(
        "version: 1\n# people\n\ndn: uid=ada,ou=people\nobjectClass: person\nuid: ada\nuserPassword:: {}\nmail: a@exa\n \
         mple.com\nmail: b@example.com\ngiven\"Name;lang-en:: {}\n\n\ndn: uid=bob\nchangetype: add\nuid: bob\n\
         userPassword: Ch4ng31t\ninetUserStatus: Inactive\nmail: bob@example.com\n",
        base64(BCRYPT),
        base64("Ada,\nof London"),
    );
    for (format, text) in [(Format::Csv, csv), (Format::JsonLines, jsonl), (Format::Ldif, ldif)] {
        let origin = Origin::new().await;
        let all = Counts { taken: 2, refused: 0 };
        assert_eq!(run(&origin, format, text.as_bytes(), false).await, Ok((all, vec![])), "{format:?}");
        assert!(known(&origin, "ada").await.is_none(), "looking writes nothing");
        assert_eq!(run(&origin, format, text.as_bytes(), true).await, Ok((all, vec![])), "{format:?}");
        let ada = known(&origin, "ada").await.unwrap();
        assert_eq!((ada.password_hash.as_str(), ada.status), (BCRYPT, IdentityStatus::Active), "{format:?}");
        assert_eq!(ada.attributes["mail"], ["a@example.com", "b@example.com"]);
        assert_eq!(ada.attributes["given\"Name"], ["Ada,\nof London"]);
        assert_eq!(ada.attributes.len(), 2, "{format:?}");
        let bob = known(&origin, "bob").await.unwrap();
        assert_eq!(bob.status, IdentityStatus::Inactive);
        assert!(bob.password_hash.starts_with("$argon2id$"));
        let found = origin.app.store.identities().find("/alpha", "mail", "b@EXAMPLE.com", 2).await.unwrap();
        assert_eq!(found.len(), 1);
    }
}

fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn what_is_refused_is_told_by_line_and_nothing_of_it_is_written() {
    let origin = Origin::new().await;
    let lines = [
        ("{\"userName\":\"new1\",\"password\":\"Ch4ng31t\"}", None),
        ("no JSON", Some("it is no JSON object")),
        ("[]", Some("it is no JSON object")),
        ("{\"mail\":\"x@example.com\"}", Some("there is no user name")),
        ("{\"userName\":\" x\"}", Some("username must not begin or end with white space")),
        ("{\"userName\":\"Demo\"}", Some("\"Demo\" exists already")),
        ("{\"userName\":\"new1\"}", Some("\"new1\" comes twice in this file")),
        ("{\"userName\":\"NEW1\"}", Some("\"NEW1\" comes twice in this file")),
        ("{\"userName\":\"unfit\"}", Some("does not fit")),
        ("{\"userName\":\"a\",\"password\":\"short\"}", Some("the password fails MIN_LENGTH")),
        (
            "{\"userName\":\"adalovelace\",\"password\":\"AdaLovelace1\"}",
            Some("the password fails CANNOT_CONTAIN_OTHERS"),
        ),
        ("{\"userName\":\"a/b\"}", Some("username must have neither white space nor /")),
        (
            "{\"userName\":\"a\",\"password\":\"x\",\"password_hash\":\"$x\"}",
            Some("there are both a password and a hash of one"),
        ),
        ("{\"userName\":\"a\",\"password_hash\":\"{SSHA}x\"}", Some("the password hash is damaged")),
        ("{\"userName\":\"a\",\"password_hash\":[\"x\",\"y\"]}", Some("password_hash is no text")),
        ("{\"userName\":\"a\",\"status\":\"asleep\"}", Some("the status must be active or inactive")),
        ("{\"userName\":\"a\",\"uid\":\"b\"}", Some("there is more than one uid")),
        ("{\"userName\":\"new2\"}", None),
    ];
    let text: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    let expected: Vec<String> =
        (1..).zip(lines).filter_map(|(number, (_, why)): (u64, _)| Some(format!("{number}: {}", why?))).collect();
    for write in [false, true] {
        let (counts, refused) = run(&origin, Format::JsonLines, text.as_bytes(), write).await.unwrap();
        assert_eq!((counts.taken, &refused), (2, &expected));
    }
    assert!(known(&origin, "new2").await.is_some() && known(&origin, "a").await.is_none());
    // Again: all are there already.
    let (counts, _) = run(&origin, Format::JsonLines, text.as_bytes(), true).await.unwrap();
    assert_eq!(counts.taken, 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_ends_the_import() {
    let origin = Origin::new().await;
    let long = format!("{{\"userName\":\"a\"}}\n{{\"userName\":\"{}\"}}\n", "x".repeat(70_000));
    let error = run(&origin, Format::JsonLines, long.as_bytes(), false).await.unwrap_err();
    assert_eq!(error, "line 2: a line may have 65536 bytes");
    let error = run(&origin, Format::Ldif, b"uid: \xff\n", false).await.unwrap_err();
    assert_eq!(error, "line 1: it is not UTF-8");
    for bad in ["", ",,\n", "\n"] {
        assert!(run(&origin, Format::Csv, bad.as_bytes(), false).await.is_err(), "{bad:?}");
    }
    let ragged = "userName,mail\na\nb,b@example.com\n\"c,d\n";
    let (counts, refused) = run(&origin, Format::Csv, ragged.as_bytes(), false).await.unwrap();
    assert_eq!((counts.taken, refused.len()), (1, 2), "{refused:?}");
    let changes =
        "dn: uid=a\nchangetype: delete\n\nuid: b\nno colon\n\nuid: c\njpegPhoto:< file:///x\n\nuid: d\nx:: ?\n";
    let (counts, refused) = run(&origin, Format::Ldif, changes.as_bytes(), false).await.unwrap();
    assert_eq!((counts.taken, refused.len()), (0, 4), "{refused:?}");
    assert_eq!(refused[0], "1: it is no entry but a change of one");
}

#[tokio::test]
async fn more_users_than_one_batch_are_all_written() {
    let origin = Origin::new().await;
    let count = user_import::BATCH as u64 * 2 + 7;
    let text: String =
        (0..count).map(|n| format!("{{\"userName\":\"user{n}\",\"password_hash\":\"{BCRYPT}\"}}\n")).collect();
    let (counts, refused) = run(&origin, Format::JsonLines, text.as_bytes(), true).await.unwrap();
    assert_eq!((counts, refused.len()), (Counts { taken: count, refused: 0 }, 0));
    for n in [0, user_import::BATCH as u64, count - 1] {
        assert!(known(&origin, &format!("user{n}")).await.is_some());
    }
}
