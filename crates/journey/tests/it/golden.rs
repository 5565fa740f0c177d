//! Real journeys, walked by hand as at a terminal: what is typed at each prompt, and what is seen.

use countersign_journey::{
    Answer, Callback, CallbackType, ExistingSession, Failure, FailureCause, JourneyState, Request, Success, Variables,
    import,
};
use serde_json::{Value, json};

use crate::support::{PASSWORD, World, now_or_never};

/// Someone at a terminal.
struct Terminal {
    world: World,
    state: JourneyState,
    request: Request,
}

enum End {
    Goes(Terminal),
    Mailed(Terminal),
    Success(World, Box<Success>),
    Failure(Box<Failure>),
}

/// One line at the terminal.
struct Prompt {
    label: String,
    /// The input that is typed, by its suffix.
    input: Option<&'static str>,
}

fn prompts(callback: &Callback) -> Vec<Prompt> {
    let text = |name: &str| callback.output(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let one = |label: String, input| vec![Prompt { label, input }];
    match callback.kind() {
        CallbackType::TextOutputCallback
        | CallbackType::SuspendedTextOutputCallback
        | CallbackType::PollingWaitCallback => one(text("message"), None),
        CallbackType::HiddenValueCallback | CallbackType::MetadataCallback => one(text("id"), None),
        CallbackType::TermsAndConditionsCallback => one(text("terms"), Some("")),
        CallbackType::KbaCreateCallback => {
            let questions = callback.output("predefinedQuestions").and_then(Value::as_array).into_iter().flatten();
            let questions: Vec<&str> = questions.filter_map(Value::as_str).collect();
            let label = format!("{} ({})", text("prompt"), questions.join(" | "));
            let answer = Prompt { label: "Answer".to_owned(), input: Some("answer") };
            vec![Prompt { label, input: Some("question") }, answer]
        }
        _ => one(text("prompt"), Some("")),
    }
}

/// A world with the journeys of these exports, or nothing with a message.
fn world(files: &[&str]) -> Option<World> {
    let mut world = World::new();
    for file in files {
        let path = format!("{}/../../../shared/journeys/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("skipped: there are no exports in ../shared/journeys");
            return None;
        };
        let library = std::sync::Arc::make_mut(&mut world.library);
        library.add(&import::from_json(&text).unwrap(), &Variables::default());
    }
    Some(world)
}

fn begin(world: World, journey: &str, request: Request) -> End {
    let answer = world.start_with(journey, &request).unwrap();
    end(world, request, answer)
}

fn end(world: World, request: Request, answer: Answer) -> End {
    match answer {
        Answer::Callbacks { state, .. } => End::Goes(Terminal { world, state: *state, request }),
        Answer::Suspended { state, .. } => End::Mailed(Terminal { world, state: *state, request }),
        Answer::Success(success) => End::Success(world, success),
        Answer::Failure(failure) => End::Failure(failure),
    }
}

impl Terminal {
    fn callbacks(&self) -> Vec<Callback> {
        self.state.callbacks().to_vec()
    }

    fn sees(&self) -> Vec<String> {
        self.callbacks().iter().flat_map(prompts).map(|prompt| prompt.label).collect()
    }

    /// What is typed at each prompt that asks.
    fn types(self, lines: &[&str]) -> End {
        let mut callbacks = self.callbacks();
        let mut lines = lines.iter();
        for callback in &mut callbacks {
            for Prompt { label, input } in prompts(callback) {
                let Some(suffix) = input else { continue };
                let line = lines.next().unwrap_or_else(|| panic!("nothing to type at {label:?}"));
                let answer = match callback.input(suffix) {
                    Some(Value::Bool(_)) => json!(*line == "yes"),
                    _ => json!(line),
                };
                callback.answer(suffix, answer).unwrap();
            }
        }
        assert!(lines.next().is_none(), "more lines than prompts");
        let wire: Vec<Value> = callbacks.iter().enumerate().map(|(at, callback)| callback.to_wire(at, true)).collect();
        let answer = now_or_never(self.world.engine().step(self.state, &wire, &self.request)).unwrap();
        end(self.world, self.request, answer)
    }

    fn opens_the_link(self) -> End {
        let answer = self.world.resume(&self.state).unwrap();
        end(self.world, self.request, answer)
    }
}

impl End {
    fn goes(self) -> Terminal {
        match self {
            Self::Goes(terminal) => terminal,
            Self::Mailed(_) => panic!("mailed"),
            Self::Success(..) => panic!("succeeded"),
            Self::Failure(failure) => panic!("{:?}", failure.cause),
        }
    }

    fn mailed(self) -> Terminal {
        match self {
            Self::Mailed(terminal) => terminal,
            Self::Goes(terminal) => panic!("asked {:?}", terminal.sees()),
            _ => panic!("ended"),
        }
    }

    fn succeeds(self) -> (World, Box<Success>) {
        match self {
            Self::Success(world, success) => (world, success),
            Self::Goes(terminal) => panic!("asked {:?}", terminal.sees()),
            Self::Mailed(_) => panic!("mailed"),
            Self::Failure(failure) => panic!("{:?}", failure.cause),
        }
    }

    fn fails(self) -> FailureCause {
        match self {
            Self::Failure(failure) => failure.cause,
            _ => panic!("did not fail"),
        }
    }
}

fn start(world: World, journey: &str) -> Terminal {
    begin(world, journey, Request::default()).goes()
}

#[test]
fn the_default_login_with_its_progressive_profile() {
    let Some(world) = world(&["frodo-cli--ProgressiveProfile", "frodo-cli--Login-3"]) else { return };
    world.users.change("demo", |user| user.counters.insert("loginCount".to_owned(), 2));
    let terminal = start(world, "Login");
    assert_eq!(terminal.sees(), ["User Name", "Password"]);
    let terminal = terminal.types(&["demo", "wrong"]).goes().types(&["demo", PASSWORD]).goes();
    assert_eq!(terminal.sees(), ["Send me news", "Send me offers"], "asked at the third login");
    let (world, success) = terminal.types(&["no", "yes"]).succeeds();
    assert_eq!((success.journey.as_str(), success.username.as_deref()), ("Login", Some("demo")));
    world.users.change("demo", |user| {
        assert_eq!(user.attributes["preferences"], json!({"marketing": true, "updates": false}));
        assert!(!user.counters.keys().any(|name| name.starts_with("retry")), "{:?}", user.counters);
    });
    let (_, again) = start(world, "Login").types(&["demo", PASSWORD]).succeeds();
    assert_eq!(again.username.as_deref(), Some("demo"));
}

#[test]
fn too_many_wrong_passwords_lock_the_account() {
    let Some(world) = world(&["frodo-cli--ProgressiveProfile", "frodo-cli--Login-3"]) else { return };
    let mut terminal = start(world, "Login");
    let cause = loop {
        match terminal.types(&["demo", "wrong"]) {
            End::Goes(next) => terminal = next,
            other => break other.fails(),
        }
    };
    assert_eq!(cause, FailureCause::Rejected);
}

#[test]
fn registration_by_mail() {
    let Some(world) = world(&["frodo-cli--Registration-2"]) else { return };
    let terminal = start(world, "Registration");
    let sees = terminal.sees();
    assert_eq!(sees[0], "Username");
    let mut lines: Vec<&str> = Vec::new();
    for label in &sees {
        lines.push(match label.as_str() {
            "Username" => "newbie",
            "First Name" | "Last Name" => "New",
            "Email Address" => "new@example.com",
            "Send me news" | "Send me offers" | "Be kind." => "yes",
            "Password" => PASSWORD,
            "Answer" => "blue",
            question if lines.contains(&"blue") => {
                assert!(question.contains('|'), "{question}");
                "Who was your first employer?"
            }
            _ => "What's your favourite colour?",
        });
    }
    let terminal = terminal.types(&lines).mailed();
    assert_eq!(terminal.world.mails.lock().unwrap()[0].to, "new@example.com");
    assert!(terminal.world.users.identity("newbie").is_none(), "not before the link is opened");
    let (world, success) = terminal.opens_the_link().succeeds();
    assert_eq!(success.username.as_deref(), Some("newbie"));
    let (password, terms) = world.users.change("newbie", |user| (user.password.clone(), user.terms.clone()));
    assert_eq!((password.as_str(), terms.as_deref()), (PASSWORD, Some("1.0")));
}

#[test]
fn a_password_is_reset_by_mail() {
    let Some(world) = world(&["frodo-cli--ResetPassword"]) else { return };
    let terminal = start(world, "ResetPassword");
    assert_eq!(terminal.sees(), ["Email Address"]);
    let nobody = start(World { library: terminal.world.library.clone(), ..World::new() }, "ResetPassword");
    let known = terminal.types(&["demo@example.com"]).mailed();
    let unknown = nobody.types(&["nobody@example.com"]).mailed();
    assert_eq!(known.sees(), unknown.sees(), "nothing tells whether there is an account");
    let terminal = known.opens_the_link().goes();
    assert_eq!(terminal.sees(), ["Password"]);
    let terminal = terminal.types(&["short"]).goes();
    let (world, success) = terminal.types(&["Other-12345"]).succeeds();
    assert_eq!(success.username.as_deref(), Some("demo"));
    assert_eq!(world.users.change("demo", |user| user.password.clone()), "Other-12345");
}

#[test]
fn a_password_is_changed_within_a_session() {
    let Some(world) = world(&["frodo-cli--UpdatePassword"]) else { return };
    let session = ExistingSession { username: "demo".to_owned(), ..ExistingSession::default() };
    let request = Request { existing_session: Some(session), ..Request::default() };
    let terminal = begin(world, "UpdatePassword", request).goes();
    assert_eq!(terminal.sees(), ["Password"]);
    let terminal = terminal.types(&[PASSWORD]).goes();
    let (world, _) = terminal.types(&["Other-12345"]).succeeds();
    assert_eq!(world.users.change("demo", |user| user.password.clone()), "Other-12345");
}

#[test]
fn a_one_time_password_comes_by_mail() {
    let Some(world) = world(&["frodo-cli--HmacOneTimePassword"]) else { return };
    let mut terminal = start(world, "HmacOneTimePassword");
    while terminal.sees() != ["One Time Password"] {
        let line = if terminal.sees()[0].contains("Name") { "demo" } else { PASSWORD };
        terminal = terminal.types(&[line]).goes();
    }
    let body = terminal.world.mails.lock().unwrap()[0].body.clone();
    let code: String = body.chars().filter(char::is_ascii_digit).collect();
    let (_, success) = terminal.types(&[&code]).succeeds();
    assert_eq!(success.username.as_deref(), Some("demo"));
}

#[test]
fn a_persistent_cookie_is_set_and_used() {
    let Some(mut world) = world(&["frodo-cli--PersistentCookie"]) else { return };
    world.remembered = Some(("sealed".to_owned(), "demo".to_owned()));
    let terminal = start(world, "PersistentCookie");
    let (world, success) = match terminal.types(&["demo"]) {
        End::Goes(terminal) => terminal.types(&[PASSWORD]).succeeds(),
        other => other.succeeds(),
    };
    assert_eq!(success.cookies[0].name, "session-jwt");
    let cookies = [("session-jwt".to_owned(), "sealed".to_owned())].into();
    let (_, success) = begin(world, "PersistentCookie", Request { cookies, ..Request::default() }).succeeds();
    assert_eq!(success.username.as_deref(), Some("demo"));
}
