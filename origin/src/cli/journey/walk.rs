//! `journey run`: a client of the REST interface that asks a person.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::super::realm::RealmArg;
use super::super::{Failure, Outcome, open_store, settings};
use super::NOT_ALL_WELL;
use super::answers::Answers;
use super::client::Client;
use super::terminal::{ask, printable};

const MAX_STEPS: usize = 200;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(in super::super) struct Run {
    name: String,
    #[command(flatten)]
    realm: RealmArg,
    /// Of the server, up to and with `/am`; else the one that the settings describe. There the realm must be named.
    #[arg(long, requires = "realm")]
    url: Option<String>,
    /// A JSON object with the answers by prompt ("User Name"), by type ("PasswordCallback") or by input ("IDToken1"); a
    /// list for several times. Nobody is asked then.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Prints the session's token, instead of ending the session.
    #[arg(long)]
    token: bool,
}

impl Run {
    pub(super) async fn run(self, config: &Path) -> Outcome {
        let (url, realm) = match (&self.url, self.realm.named()) {
            (Some(url), Some(realm)) => (url.clone(), realm),
            _ => {
                let settings = settings(config)?;
                let store = open_store(&settings).await?;
                let realm = self.realm.of(&store).await;
                store.close().await;
                (format!("http://{}/am", reachable(settings.listen)), realm?)
            }
        };
        // It waits for the network and for a person.
        tokio::task::block_in_place(|| self.walk(&Client::new(&url)?, &realm))
    }

    fn walk(&self, client: &Client, realm: &str) -> Outcome {
        let mut source = match &self.answers {
            Some(path) => Source::Written(Answers::read(path)?),
            None => Source::Person,
        };
        let below: String =
            realm.split('/').filter(|name| !name.is_empty()).map(|name| format!("/realms/{name}")).collect();
        let resources = format!("realms/root{below}");
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("authIndexType", "service").append_pair("authIndexValue", &self.name);
        let start = format!("{resources}/authenticate?{}", query.finish());
        let version = [("accept-api-version", "protocol=1.0,resource=2.1")];
        let (mut path, mut body) = (start.clone(), "{}".to_owned());
        for _ in 0..MAX_STEPS {
            let (status, mut answer) = client.post(&path, &version, body)?;
            let callbacks = answer.get("callbacks").is_some_and(Value::is_array);
            if status == 200 && callbacks {
                show(&answer, &["header", "description"]);
                let suspended = is_suspended(&answer);
                for callback in answer.get_mut("callbacks").and_then(Value::as_array_mut).into_iter().flatten() {
                    source.fill(callback)?;
                }
                // A suspended journey shows the same again, whatever is sent to it; its link takes it further.
                if !suspended && answer.get("authId").is_some_and(Value::is_string) {
                    (path, body) = (start.clone(), answer.to_string());
                } else {
                    let link = source.link()?;
                    let mut query = url::form_urlencoded::Serializer::new(String::new());
                    query.append_pair("suspendedId", &link);
                    (path, body) = (format!("{resources}/authenticate?{}", query.finish()), String::new());
                }
            } else if status == 200 {
                return self.succeeded(client, &resources, &answer);
            } else {
                let message = answer.get("message").and_then(Value::as_str).unwrap_or_default();
                println!("Failure ({status}): {}", printable(message));
                show(answer.get("detail").unwrap_or(&Value::Null), &["failureUrl"]);
                return Ok(ExitCode::from(NOT_ALL_WELL));
            }
        }
        Err(Failure(format!("the journey did not end within {MAX_STEPS} steps")))
    }

    fn succeeded(&self, client: &Client, resources: &str, answer: &Value) -> Outcome {
        let token = answer.get("tokenId").and_then(Value::as_str).filter(|token| !token.is_empty());
        println!("Success");
        show(answer, &["successUrl"]);
        match token {
            None => println!("There is no session."),
            Some(token) if self.token => println!("{token}"),
            Some(token) => {
                let (_, info) = client.get(&format!("{resources}/serverinfo/*"))?;
                let cookie = info.get("cookieName").and_then(Value::as_str).unwrap_or("iPlanetDirectoryPro");
                let headers = [(cookie, token), ("accept-api-version", "resource=4.0")];
                let path = format!("{resources}/sessions?_action=logout");
                match client.post(&path, &headers, "{}".to_owned())? {
                    (200, _) => println!("Its session was ended."),
                    (status, _) => eprintln!("countersign: its session was not ended ({status})"),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Where a server that listens everywhere can be reached.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn show(of: &Value, members: &[&str]) {
    for text in members.iter().filter_map(|name| of.get(name)?.as_str()).filter(|text| !text.is_empty()) {
        println!("{}", printable(text));
    }
}

fn is_suspended(answer: &Value) -> bool {
    let mut callbacks = answer.get("callbacks").and_then(Value::as_array).into_iter().flatten();
    callbacks.any(|callback| callback.get("type").and_then(Value::as_str) == Some("SuspendedTextOutputCallback"))
}

enum Source {
    Written(Answers),
    Person,
}

/// One input of a callback, and what is known of it.
struct Question {
    /// By which an answer may be written down.
    names: Vec<String>,
    prompt: String,
    hidden: bool,
    choices: Vec<String>,
    current: Value,
    /// Whether it may stay as it is.
    optional: bool,
}

fn output<'a>(callback: &'a Value, name: &str) -> Option<&'a Value> {
    let outputs = callback.get("output")?.as_array()?;
    outputs.iter().find(|output| output.get("name").and_then(Value::as_str) == Some(name))?.get("value")
}

fn text<'a>(callback: &'a Value, name: &str) -> &'a str {
    output(callback, name).and_then(Value::as_str).unwrap_or_default()
}

impl Source {
    /// Answers a callback as it stands in the step.
    fn fill(&mut self, callback: &mut Value) -> Result<(), Failure> {
        let kind = callback.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let message = printable(text(callback, "message"));
        match kind.as_str() {
            "TextOutputCallback" if text(callback, "messageType") == "4" => println!("(a script for the browser)"),
            "TextOutputCallback" | "SuspendedTextOutputCallback" => println!("{message}"),
            "PollingWaitCallback" => {
                println!("{message}");
                let millis =
                    output(callback, "waitTime").map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
                let millis = millis.and_then(|text| text.parse().ok()).unwrap_or_default();
                std::thread::sleep(Duration::from_millis(millis).min(LONGEST_WAIT));
            }
            "RedirectCallback" => {
                let to = text(callback, "redirectUrl");
                return Err(Failure(format!("the journey goes on in a browser: {}", printable(to))));
            }
            "TermsAndConditionsCallback" => println!("{}", printable(text(callback, "terms"))),
            _ => {}
        }
        for failed in output(callback, "failedPolicies").and_then(Value::as_array).into_iter().flatten() {
            println!("refused: {}", printable(failed.as_str().unwrap_or_default()));
        }
        for question in questions(&kind, callback) {
            let (index, question) = question;
            let value = self.answer(&question)?;
            if let Some(input) = callback.get_mut("input").and_then(|inputs| inputs.get_mut(index)) {
                input["value"] = value;
            }
        }
        Ok(())
    }

    fn answer(&mut self, question: &Question) -> Result<Value, Failure> {
        match self {
            Self::Written(answers) => match answers.next(&question.names) {
                Some(answer) => question.read(&answer).ok_or_else(|| {
                    Failure(format!("the answer for {:?} is not one that it can have", question.prompt))
                }),
                None if question.optional => Ok(question.current.clone()),
                None => Err(Failure(format!("there is no answer for {}", question.names.join(" or ")))),
            },
            Self::Person => loop {
                for (number, choice) in question.choices.iter().enumerate() {
                    eprintln!("  {number}  {}", printable(choice));
                }
                let line = ask(&question.prompt, question.hidden)?;
                if line.is_empty() && (question.optional || question.current.is_string()) {
                    return Ok(question.current.clone());
                }
                match question.read(&Value::String(line.to_string())) {
                    Some(value) => return Ok(value),
                    None => eprintln!("That is not an answer that it can have."),
                }
            },
        }
    }

    /// The one-time id of a link that was sent by mail.
    fn link(&mut self) -> Result<String, Failure> {
        let name = "suspendedId".to_owned();
        let given = match self {
            Self::Written(answers) => {
                let answer = answers.next(&[name]).and_then(|answer| answer.as_str().map(str::to_owned));
                answer.ok_or_else(|| {
                    Failure("the journey waits for its link; there is no answer for suspendedId".into())
                })?
            }
            Self::Person => ask("The link that was sent", false)?.to_string(),
        };
        let Ok(link) = url::Url::parse(&given) else { return Ok(given) };
        let mut pairs = link.query_pairs();
        let id = pairs.find(|(name, _)| name == "suspendedId").map(|(_, id)| id.into_owned());
        id.ok_or_else(|| Failure("that link has no suspendedId".into()))
    }
}

/// The inputs of a callback that somebody has to answer, with their positions.
fn questions(kind: &str, callback: &Value) -> Vec<(usize, Question)> {
    let list = |name: &str| {
        let texts = output(callback, name).and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(|text| text.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let choices = match kind {
        "ChoiceCallback" => list("choices"),
        "ConfirmationCallback" => list("options"),
        _ => Vec::new(),
    };
    let asked = ["prompt", "message"].map(|name| text(callback, name)).into_iter().find(|text| !text.is_empty());
    let inputs = callback.get("input").and_then(Value::as_array).into_iter().flatten().enumerate();
    let question = |(index, input): (usize, &Value)| {
        let name = input.get("name").and_then(Value::as_str)?;
        let digits = |letter: char| letter.is_ascii_digit();
        let suffix = name.strip_prefix("IDToken").map_or("", |rest| rest.trim_start_matches(digits));
        // Nobody wants to be asked whether the answer is meant.
        if suffix == "validateOnly" {
            return None;
        }
        let named = |base: &str| if suffix.is_empty() { base.to_owned() } else { format!("{base}/{suffix}") };
        let current = input.get("value").cloned().unwrap_or_default();
        let prompt = match kind {
            "HiddenValueCallback" => format!("hidden value {}", text(callback, "id")),
            _ => named(asked.unwrap_or(kind)),
        };
        let mut names: Vec<String> = asked.map(named).into_iter().collect();
        names.extend([name.to_owned(), named(kind), text(callback, "id").to_owned()]);
        names.retain(|name| !name.is_empty());
        Some((
            index,
            Question {
                names,
                prompt,
                hidden: matches!(kind, "PasswordCallback" | "ValidatedCreatePasswordCallback"),
                choices: choices.clone(),
                optional: !choices.is_empty() || matches!(kind, "HiddenValueCallback" | "PollingWaitCallback"),
                current,
            },
        ))
    };
    inputs.filter_map(question).collect()
}

impl Question {
    /// The answer in the type that the input has; a choice by its number or its text.
    fn read(&self, answer: &Value) -> Option<Value> {
        let said = answer.as_str().map(str::trim);
        if !self.choices.is_empty() {
            let number = answer.as_u64().or_else(|| said?.parse().ok()).and_then(|number| usize::try_from(number).ok());
            let number = number.or_else(|| self.choices.iter().position(|choice| Some(choice.trim()) == said))?;
            return (number < self.choices.len()).then(|| json!(number));
        }
        match &self.current {
            Value::Bool(_) => match said {
                Some("y" | "yes" | "true") => Some(json!(true)),
                Some("n" | "no" | "false") => Some(json!(false)),
                Some(_) => None,
                None => answer.as_bool().map(Value::Bool),
            },
            Value::Number(_) => match said {
                Some(said) => {
                    said.parse::<i64>().map(Value::from).or_else(|_| said.parse::<f64>().map(Value::from)).ok()
                }
                None => answer.is_number().then(|| answer.clone()),
            },
            // What has the form of a text takes everything as a text.
            _ => Some(answer.as_str().map_or_else(|| json!(answer.to_string()), |text| json!(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(text: &str) -> Source {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answers.json");
        std::fs::write(&path, text).unwrap();
        Source::Written(Answers::read(&path).ok().unwrap())
    }

    fn callback(kind: &str, outputs: Value, inputs: &[(&str, Value)]) -> Value {
        let output: Vec<Value> =
            outputs.as_object().unwrap().iter().map(|(n, v)| json!({"name": n, "value": v})).collect();
        let input: Vec<Value> = inputs.iter().map(|(n, v)| json!({"name": n, "value": v})).collect();
        json!({"type": kind, "output": output, "input": input})
    }

    #[test]
    fn written_answers_go_by_prompt_type_and_input() {
        let mut source = answers(
            r#"{"User Name": "demo", "PasswordCallback": ["first", "second"], "ChoiceCallback": "Mail", "Age": "42",
                "KbaCreateCallback/question": "Q", "IDToken5answer": "A", "TermsAndConditionsCallback": true}"#,
        );
        let mut name = callback("NameCallback", json!({"prompt": "User Name"}), &[("IDToken1", json!(""))]);
        let mut password = callback("PasswordCallback", json!({"prompt": "Password"}), &[("IDToken2", json!(""))]);
        let mut choice =
            callback("ChoiceCallback", json!({"prompt": "How", "choices": ["SMS", "Mail"]}), &[("IDToken3", json!(0))]);
        let inputs = [("IDToken4", json!(0)), ("IDToken4validateOnly", json!(false))];
        let mut age = callback("NumberAttributeInputCallback", json!({"prompt": "Age"}), &inputs);
        let inputs = [("IDToken5question", json!("")), ("IDToken5answer", json!(""))];
        let mut kba = callback("KbaCreateCallback", json!({"prompt": "Choose"}), &inputs);
        let mut terms = callback("TermsAndConditionsCallback", json!({"terms": "T"}), &[("IDToken6", json!(false))]);
        let mut hidden = callback("HiddenValueCallback", json!({"id": "x"}), &[("IDToken7", json!("x"))]);
        for callback in [&mut name, &mut password, &mut choice, &mut age, &mut kba, &mut terms, &mut hidden] {
            source.fill(callback).ok().unwrap();
        }
        let value = |callback: &Value, index: usize| callback["input"][index]["value"].clone();
        assert_eq!(
            [&name, &password, &choice, &age].map(|callback| value(callback, 0)),
            [json!("demo"), json!("first"), json!(1), json!(42)]
        );
        assert_eq!(value(&age, 1), json!(false));
        assert_eq!((value(&kba, 0), value(&kba, 1)), (json!("Q"), json!("A")));
        assert_eq!((value(&terms, 0), value(&hidden, 0)), (json!(true), json!("x")));
        source.fill(&mut password).ok().unwrap();
        assert_eq!(value(&password, 0), json!("second"));
        assert!(source.fill(&mut password).is_err(), "a third answer was not written down");
    }

    #[test]
    fn the_link_or_its_id() {
        for given in ["http://h/am/XUI/?realm=/alpha&suspendedId=a.b", "a.b"] {
            assert_eq!(answers(&json!({"suspendedId": given}).to_string()).link().ok().unwrap(), "a.b");
        }
        assert!(answers(r#"{"suspendedId": "http://h/x"}"#).link().is_err());
        assert!(answers("{}").link().is_err());
    }

    #[test]
    fn a_server_that_listens_everywhere_is_asked_here() {
        for (listen, asked) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
