use countersign_core::keys::SigningAlg;

use super::*;

/// The settings that a file and an environment give.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(&path, environment)
        .map_err(|error| error.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

const MINIMAL: &str = "[server]\npublic_url = \"http://localhost:8787\"\n";
const HTTPS: &str = "[server]\npublic_url = \"https://login.example.com\"\n";

#[test]
fn the_template_loads_and_shows_the_defaults() {
    let text = template("127.0.0.1:9000", "https://login.example.com", None);
    let settings = load(&text, &[]).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(settings.everywhere.session.cookie_name, "__Host-iPlanetDirectoryPro");

    // Every commented setting, uncommented, is the default: the file would say wrong things otherwise.
    let shown: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting)
                if setting.split(' ').nth(1) == Some("=")
                    && !["valid_goto_destinations", "acceptedOrigins"].iter().any(|name| setting.starts_with(name)) =>
            {
                setting
            }
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    assert_eq!(shown.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).count(), 89);
    let shown = load(&shown, &[]).unwrap();
    let neutral = |settings: Settings| {
        let text = format!("{settings:?}");
        let base = settings.database.file().unwrap().parent().unwrap().display().to_string();
        text.replace(&base, "")
    };
    assert_eq!(neutral(shown), neutral(settings));
}

#[test]
fn http_and_https_have_their_own_cookie() {
    let http = load(MINIMAL, &[]).unwrap().everywhere.session;
    assert_eq!((http.cookie_name.as_str(), http.cookie.secure), ("iPlanetDirectoryPro", false));
    let https = load(HTTPS, &[]).unwrap().everywhere.session;
    assert_eq!((https.cookie_name.as_str(), https.cookie.secure), ("__Host-iPlanetDirectoryPro", true));
}

#[test]
fn a_cookie_for_a_domain() {
    let load =
        |more: &str| load(&format!("{HTTPS}[session]\n{more}\n"), &[]).map(|settings| settings.everywhere.session);
    for (domains, expected) in [("example.com", "example.com"), (".Example.com", "example.com")] {
        let session = load(&format!("cookie_domains = [\"{domains}\"]\npartitioned = true")).unwrap();
        assert_eq!(session.cookie_name, "__Secure-iPlanetDirectoryPro");
        assert_eq!((session.cookie.domain.as_deref(), session.cookie.partitioned), (Some(expected), true));
    }
    // Of several the longest that fits.
    for (public_url, domains, expected) in [
        ("https://login.example.com", "\"login.example.com\"", "login.example.com"),
        ("https://login.example.com", "\"example.com\", \".login.example.com\"", "login.example.com"),
        ("https://a.login.example.com:8443", "\"login.example.com\", \"example.com\"", "login.example.com"),
        ("https://LOGIN.example.com", "\"example.org\", \"example.com\", \"b.example.com\"", "example.com"),
    ] {
        let text = format!("[server]\npublic_url = \"{public_url}\"\n[session]\ncookie_domains = [{domains}]\n");
        let session = super::tests::load(&text, &[]).unwrap().everywhere.session;
        assert_eq!(session.cookie.domain.as_deref(), Some(expected), "{public_url} {domains}");
        assert_eq!(session.cookie_name, "__Secure-iPlanetDirectoryPro");
    }
    for (public_url, domains) in [
        ("https://login.example.com", "\"example.org\", \"ample.com\", \"a.login.example.com\""),
        ("https://192.0.2.10", "\"example.com\""),
        ("https://[2001:db8::1]", "\"example.com\""),
        ("http://localhost:8787", "\"example.com\", \"example.org\""),
    ] {
        let text = format!("[server]\npublic_url = \"{public_url}\"\n[session]\ncookie_domains = [{domains}]\n");
        let error = super::tests::load(&text, &[]).unwrap_err();
        let expected = format!("must name a domain that public_url ({public_url}/) is in");
        assert_eq!(error, format!("setting session.cookie_domains {expected}"));
    }
    for (more, expected) in [
        (
            "cookie_name = \"__Host-a\"\ncookie_domains = [\"example.com\"]",
            "browsers take no cookie with a __Host- name and a Domain",
        ),
        ("cookie_domains = [\"example.com\", \"com\"]", "has \"com\": a Domain is a host name such as example.com"),
        (
            "cookie_domains = [\"https://example.com\"]",
            "has \"https://example.com\": a Domain is a host name such as example.com",
        ),
        ("cookie_domains = [\"\"]", "has \"\": a Domain is a host name such as example.com"),
        ("cookie_domains = [\"192.0.2.10\"]", "has \"192.0.2.10\": there is nothing below an address"),
    ] {
        assert_eq!(load(more).unwrap_err(), format!("setting session.cookie_domains {expected}"));
    }
    let many = vec!["\"example.com\""; 65].join(",");
    assert!(load(&format!("cookie_domains = [{many}]")).unwrap_err().ends_with("must be at most 64"));
}

#[test]
fn idle_time_is_for_sessions_that_it_can_end() {
    for (more, expected) in [
        ("", Some(1800)),
        ("max_idle_minutes = 0", None),
        ("max_idle_minutes = 120", None),
        ("max_idle_minutes = 119", Some(7140)),
    ] {
        let session = load(&format!("{MINIMAL}[session]\n{more}\n"), &[]).unwrap().everywhere.session;
        assert_eq!(session.max_idle_seconds, expected, "{more}");
    }
}

#[test]
fn errors_say_where_and_what_was_meant() {
    for (text, expected) in [
        (
            "[server]\npublic_url = \"http://a\"\n[session]\nmax_time_minute = 5\n",
            "c.toml:4:1: unknown key `max_time_minute`; did you mean `max_time_minutes`?",
        ),
        ("[sesion]\n", "c.toml:1:2: unknown key `sesion`; did you mean `session`?"),
        ("[log]\nzzz = 1\n", "c.toml:2:1: unknown key `zzz`; known are format, filter"),
        ("[session]\nstatelessSigningType = \"PS256\"\n", "c.toml:2:24: unknown value `PS256`; did you mean `ES256`?"),
        (
            "[realm.\"/alpha\".session]\nstatelessSigningTyp = \"ES256\"\n",
            "c.toml:2:1: unknown key `statelessSigningTyp`; did you mean `statelessSigningType`?",
        ),
        (
            "[session]\nstatelessSigningHmacSecret = \"c2VjcmV0\"\n",
            "c.toml:2:30: a secret does not belong in the settings: name a file that holds it, { file = \"…\" }, or use \
             `countersign keys import`",
        ),
        ("[journey]\naes_keywrap_bits = 512\n", "c.toml:2:20: must be 128, 192 or 256, not 512"),
        ("[argon2]\nmemory_kib = \"a\"\n", "c.toml:2:14: invalid type: string \"a\", expected u32"),
    ] {
        assert_eq!(load(text, &[]).unwrap_err(), expected);
    }
    assert!(load("[server\n", &[]).unwrap_err().starts_with("c.toml:1:"));
    let missing = Settings::load(Path::new("/no/such.toml"), std::iter::empty()).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read /no/such.toml: "));
    for error in [load("[server\n", &[]).unwrap_err(), missing] {
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn the_environment_overrides_and_is_named_in_errors() {
    let settings = load(
        "",
        &[
            ("COUNTERSIGN__SERVER__PUBLIC_URL", "http://localhost:1"),
            ("COUNTERSIGN__SERVER__LISTEN", "127.0.0.1:2"),
            ("COUNTERSIGN__DENYLIST__PROFILE", "strict"),
            ("COUNTERSIGN__DENYLIST__LEASE_MS", "3000"),
            ("COUNTERSIGN__SESSION__STATELESSSIGNINGTYPE", "ES384"),
            ("COUNTERSIGN__SESSION__ORG_FORGEROCK_OPENAM_SESSION_STATELESS_ENCRYPTION_METHOD", "A128GCM"),
            ("COUNTERSIGN__VALIDATION__VALID_GOTO_DESTINATIONS", "[\"https://a.example\"]"),
            ("COUNTERSIGN_CONFIG", "not an override"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:2");
    assert_eq!((settings.denylist.poll_ms, settings.denylist.lease_ms), (500, 3000));
    assert!(settings.destinations.check("https://a.example/x").is_some());
    let format = settings.realm("/alpha").session.format;
    assert_eq!(format.signing.map(SigningAlg::name), Some("ES384"));
    assert_eq!(format.content.map(|(_, enc)| enc.name()), Some("A128GCM"));

    for (name, value, expected) in [
        ("COUNTERSIGN__SERVER__LISTN", "x", "unknown key `listn`; did you mean `listen`?"),
        ("COUNTERSIGN__SEVER__LISTEN", "x", "unknown key `sever`; did you mean `server`?"),
        ("COUNTERSIGN__LISTEN", "x", "must be COUNTERSIGN__SECTION__KEY"),
        ("COUNTERSIGN__ARGON2__WORKERS", "many", "invalid type: string \"many\", expected u32"),
        ("COUNTERSIGN__LOG__FILTER", "1\n[server]\nlisten = 2", "x"),
    ] {
        let loaded = load(MINIMAL, &[(name, value)]);
        match expected {
            "x" => assert_eq!(loaded.unwrap().log_filter, value, "a value is only a value"),
            _ => assert_eq!(loaded.unwrap_err(), format!("environment variable {name}: {expected}")),
        }
    }
}

#[test]
fn rules_between_settings_are_checked() {
    for (text, expected) in [
        ("", "setting server.public_url is missing"),
        (
            "[server]\npublic_url = \"x\"\n",
            "setting server.public_url must be an absolute URL such as https://login.example.com",
        ),
        (
            "[server]\npublic_url = \"https://a/b\"\n",
            "setting server.public_url must be scheme, host and port only: the paths below it are fixed",
        ),
        ("[server]\npublic_url = \"https://u@a\"\n", "setting server.public_url must not have a user name or password"),
        (
            "[server]\npublic_url = \"http://a\"\nlisten = \"x\"\n",
            "setting server.listen must be an address and a port, such as 127.0.0.1:8080 or [::1]:8080",
        ),
    ] {
        assert_eq!(load(text, &[]).unwrap_err(), expected);
    }
    for (more, expected) in [
        ("[session]\nsame_site = \"none\"", "setting session.same_site none needs Secure, hence an https public_url"),
        (
            "[session]\ncookie_name = \"Authorization\"",
            "setting session.cookie_name cannot be Authorization: a session may come in a header of that name",
        ),
        (
            "[session]\ncookie_name = \"Remote-User\"",
            "setting session.cookie_name cannot be Remote-User: a session may come in a header of that name",
        ),
        (
            "[session]\ncookie_name = \"__Host-a\"",
            "setting session.cookie_name a cookie with a __Host- or __Secure- name needs https",
        ),
        ("[session]\nmax_idle_minutes = 576001", "setting session.max_idle_minutes must be from 0 to 576000"),
        ("[session]\npartitioned = true", "setting session.partitioned a partitioned cookie needs https"),
        ("[session]\nquotaLimit = 0", "setting session.quotaLimit must be from 1 to 2147483647"),
        (
            "[session]\nlatestAccessTimeUpdateFrequency = 0",
            "setting session.latestAccessTimeUpdateFrequency must be from 1 to 86400",
        ),
        ("[session]\noversize = \"drop\"", "setting session.droppable_properties must name 1 to 32 properties to drop"),
        (
            "[session]\ndroppable_properties = [\"cn\"]",
            "setting session.droppable_properties is for oversize = \"drop\" only",
        ),
        (
            "[session]\nstatelessSigningType = \"NONE\"\nstatelessEncryptionType = \"NONE\"",
            "setting session.statelessSigningType and statelessEncryptionType cannot both be NONE: anybody could make a \
             session",
        ),
        (
            "[session]\nstatelessSigningType = \"NONE\"\nstatelessEncryptionType = \"RSA\"",
            "setting session.statelessSigningType cannot be NONE with RSA encryption: whoever knows the public key could \
             make a session",
        ),
        (
            "[session]\n\"org.forgerock.openam.session.stateless.rsa.padding\" = \"RSA1_5\"",
            "setting session.org.forgerock.openam.session.stateless.rsa.padding must be RSA-OAEP-256: RSA1_5 tells an \
             attacker the key, bit by bit",
        ),
        (
            "[session]\nstatelessCompressionType = \"DEF\"",
            "setting session.statelessCompressionType must be NONE: the length of a compressed token tells what is in it",
        ),
        (
            "[session]\nstatelessSigningHmacSecret = { file = \"x\" }",
            "setting session.statelessSigningHmacSecret is for HS256, HS384 and HS512 only",
        ),
        (
            "[journey]\nstatelessSigningType = \"NONE\"",
            "setting journey.statelessSigningType cannot be NONE: whoever logs in carries the authId",
        ),
        (
            "[realm.\"/alpha\".session]\nstatelessSigningType = \"NONE\"\nstatelessEncryptionType = \"NONE\"",
            "setting realm.\"/alpha\".session.statelessSigningType and statelessEncryptionType cannot both be NONE: \
             anybody could make a session",
        ),
        ("[realm.alpha.session]", "setting realm.\"alpha\" must be named like \"/alpha\", with a slash in front"),
        ("[session]\nmax_time_minutes = 0", "setting session.max_time_minutes must be from 1 to 576000"),
        ("[denylist]\nlease_ms = 3999", "setting denylist.lease_ms must be at least twice poll_ms, which is 2000"),
        ("[denylist]\nlease_ms = 600001", "setting denylist.lease_ms must be from 100 to 600000"),
        ("[argon2]\nworkers = 0", "setting argon2.workers must be from 1 to 1024"),
        (
            "[validation]\nvalid_goto_destinations = [\"x\"]",
            "setting validation.valid_goto_destinations has \"x\", which is not an absolute URL",
        ),
    ] {
        assert_eq!(load(&format!("{MINIMAL}{more}\n"), &[]).unwrap_err(), expected);
    }
}

#[test]
fn a_realm_has_what_it_says_and_the_rest_from_above() {
    let settings = load(
        &format!(
            "{HTTPS}[session]\nmax_idle_minutes = 10\nstatelessSigningType = \"HS512\"\n\
             statelessSigningHmacSecret = {{ file = \"hmac.b64\" }}\n[journey]\nmax_duration_minutes = 7\n\
             [realm.\"/alpha\".session]\nmax_time_minutes = 60\ncookie_name = \"a\"\n\
             [realm.\"/beta\".session]\nstatelessSigningType = \"RS256\"\nsame_site = \"strict\"\n\
             [realm.\"/beta\".journey]\nmax_duration_minutes = 9\n"
        ),
        &[],
    )
    .unwrap();
    let of = |name: &str| settings.realm(name).session.clone();
    assert_eq!(["/", "/alpha", "/beta"].map(|name| of(name).max_seconds), [7200, 3600, 7200]);
    assert_eq!(["/", "/alpha", "/beta"].map(|name| of(name).max_idle_seconds), [Some(600); 3]);
    assert_eq!(["/", "/alpha"].map(|name| of(name).cookie_name), ["__Host-iPlanetDirectoryPro", "a"]);
    assert_eq!(
        ["/", "/alpha", "/beta"].map(|name| of(name).format.signing.map(SigningAlg::name)),
        [Some("HS512"), Some("HS512"), Some("RS256")]
    );
    // The secret is for the algorithm of its section.
    assert_eq!(["/alpha", "/beta"].map(|name| of(name).hmac_secret_file.is_some()), [true, false]);
    assert_eq!(["/alpha", "/beta"].map(|name| settings.realm(name).journey.max_seconds), [420, 540]);
}

#[test]
fn paths_are_relative_to_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(
        &path,
        format!("{MINIMAL}[database]\npath = \"data/x.db\"\n[secrets]\nmaster_key_file = \"/etc/k\"\n"),
    )
    .unwrap();
    let settings = Settings::load(&path, std::iter::empty()).unwrap();
    assert_eq!(settings.database.file(), Some(dir.path().join("data/x.db").as_path()));
    assert_eq!(settings.master_key_file, Path::new("/etc/k"));
}

#[test]
fn the_database_may_be_postgresql_and_its_password_elsewhere() {
    let url = "postgres://anna:s3cr3t@db.example.com/countersign";
    let shown = "postgres://anna@db.example.com:5432/countersign";
    let from_variable = load(MINIMAL, &[("COUNTERSIGN__DATABASE__URL", url)]).unwrap();
    assert_eq!(from_variable.database.to_string(), shown);
    assert!(!format!("{from_variable:?}").contains("s3cr3t"));

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("database.url"), format!("{url}\n")).unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, format!("{MINIMAL}[database]\nurl_file = \"database.url\"\n")).unwrap();
    let from_file = Settings::load(&path, std::iter::empty()).unwrap();
    assert_eq!(from_file.database.to_string(), shown);
    assert_eq!(from_file.database_url_file, Some(dir.path().join("database.url")));

    for (section, text) in [
        ("url = \"mysql://anna:s3cr3t@db/x\"", "setting database.url must be postgres://user:password@"),
        ("url = \"anna:s3cr3t@db/x\"", "setting database.url must be postgres://user:password@"),
        ("url_file = \"missing\"", "setting database.url_file cannot be read, missing: "),
        (
            "url = \"postgres://a:s3cr3t@b/c\"\npath = \"x.db\"",
            "setting database must have one of path, url and url_file",
        ),
    ] {
        let error = load(&format!("{MINIMAL}[database]\n{section}\n"), &[]).unwrap_err();
        assert!(error.starts_with(text) && !error.contains("s3cr3t"), "{error}");
    }
}
