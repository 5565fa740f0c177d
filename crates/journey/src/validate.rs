//! What an operator is told of a journey before it runs. Only what can be reached counts: editors leave parts behind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::config::Kind;
use crate::filter::Filter;
use crate::host::Realm;
use crate::journey::{FAILURE_NODE, Journey, NodeSpec, SUCCESS_NODE, advice};
use crate::library::{Language, Library, Script};
use crate::nodes::node_type;
use crate::oauth::mapping::{self, NoMapping};

/// What becomes of a journey.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// All that can be reached is there.
    Runs,
    /// It can be started, and ends with an exception where a [`Severity::Blocks`] finding is.
    Partial,
    /// It cannot be started.
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The whole journey.
    Refuses,
    /// Whoever reaches the node.
    Blocks,
    /// To be looked at.
    Warns,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub severity: Severity,
    /// Id, type and display name; `None` for the journey as a whole.
    pub node: Option<(String, String, String)>,
    pub problem: Problem,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Problem {
    /// The entry is not a node of the tree.
    NoEntry,
    UnknownType(String),
    /// Of a type that is not known, for which an administrator has chosen an outcome.
    Stubbed(String),
    NoConfiguration,
    Setting(String),
    MissingScript(String),
    /// Only JavaScript runs.
    ScriptLanguage(String),
    /// It is no JavaScript.
    BadScript(String, String),
    /// A profile script that does more than to put members under other names.
    ProfileScript(String),
    MissingJourney(String),
    /// The realm's own settings are used, if it has this identity provider.
    MissingProvider(String),
    /// The built-in text is used.
    MissingTemplate(String),
    MissingVariable(String),
    /// An outcome leads to a node that is not there.
    DanglingOutcome(String),
    /// An outcome leads nowhere.
    UnconnectedOutcome(String),
    /// An edge for an outcome that the node does not have.
    NoSuchOutcome(String),
    /// A rule of pages is broken.
    Page(&'static str),
    /// A key or password is written in the export.
    LiteralSecret(String),
    Unreachable(usize),
    /// Something that it names is left undone.
    Ignored(String),
    /// The realm has not what the node works with: what is to be set, by its name in the settings.
    Needs(String),
    /// The entry is one of the two ends.
    EndsAtOnce(bool),
    /// The outcome leads back without a question, and whatever was decided will be decided again.
    Endless(String),
    /// Every way through the inner journey leads into one that is being run already.
    NeverReturns(String),
    /// A flag of the tree is neither true nor false.
    OddFlag(&'static str),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoEntry => out.write_str("the entry node does not exist"),
            Self::UnknownType(kind) => write!(out, "node type {kind} is not known"),
            Self::Stubbed(outcome) => write!(out, "it does nothing and is left by {outcome:?}"),
            Self::NoConfiguration => out.write_str("the export has no configuration for it"),
            Self::Setting(what) => out.write_str(what),
            Self::MissingScript(id) => write!(out, "script {id} is not in the export"),
            Self::ScriptLanguage(name) => write!(out, "script {name:?} is not JavaScript"),
            Self::BadScript(name, why) => write!(out, "script {name:?} {why}"),
            Self::ProfileScript(id) => write!(out, "profile script {id} does more than to map names"),
            Self::MissingProvider(name) => write!(out, "identity provider {name:?} is not in the export"),
            Self::MissingJourney(name) => write!(out, "inner journey {name:?} does not exist{}", advice(name)),
            Self::MissingTemplate(name) => write!(out, "mail template {name:?} is missing; a built-in text is sent"),
            Self::MissingVariable(name) => write!(out, "variable {name} has no value"),
            Self::DanglingOutcome(id) => write!(out, "outcome {id:?} leads to a node that does not exist"),
            Self::UnconnectedOutcome(id) => write!(out, "outcome {id:?} leads nowhere"),
            Self::NoSuchOutcome(id) => write!(out, "{id:?} is connected and not one of its outcomes"),
            Self::Page(rule) => out.write_str(rule),
            Self::LiteralSecret(field) => write!(out, "{field} holds a secret that stands in the export"),
            Self::Unreachable(count) => write!(out, "{count} nodes cannot be reached"),
            Self::Ignored(what) => out.write_str(what),
            Self::Needs(what) => write!(out, "needs {what} in the settings"),
            Self::EndsAtOnce(true) => out.write_str("its entry is the success node: nobody is known who could log in"),
            Self::EndsAtOnce(false) => out.write_str("its entry is the failure node: every login fails"),
            Self::NeverReturns(name) => write!(out, "inner journey {name:?} calls itself on every way: it never ends"),
            Self::OddFlag("enabled") => out.write_str("enabled is neither true nor false: it is disabled"),
            Self::OddFlag(name) => {
                write!(out, "{name} is neither true nor false: it is taken as what lets less through")
            }
            Self::Endless(id) => write!(out, "outcome {id:?} leads back to it without a question: it never ends"),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    pub journey: String,
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
}

impl Report {
    /// The findings that keep it from running.
    pub fn reasons(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity != Severity::Warns)
    }
}

/// Whether a script can be compiled; the error says why not.
pub type ScriptCheck<'a> = dyn Fn(&Script) -> Result<(), String> + 'a;

/// What there is for journeys, beside journeys.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// `None`: it is not known where they are to run, and what follows does not count.
    pub realm: Option<&'a Realm>,
    /// Whether mail can be sent.
    pub mail: bool,
    /// Whether there are servers that scripts may send requests to.
    pub http: bool,
    pub scripts: Option<&'a ScriptCheck<'a>>,
}

/// Looks at a journey as it would run in this library, wherever that is.
pub fn validate(library: &Library, journey: &Journey) -> Report {
    validate_in(library, journey, Surroundings::default())
}

/// Looks at a journey as it would run in this library and this realm.
pub fn validate_in(library: &Library, journey: &Journey, around: Surroundings<'_>) -> Report {
    let mut check = Check { library, around, returning: returning(library, journey), findings: Vec::new() };
    check.journey(journey);
    let mut findings = check.findings;
    findings.sort_by(|a, b| (a.severity, &a.node, &a.problem).cmp(&(b.severity, &b.node, &b.problem)));
    findings.dedup();
    let verdict = match findings.first().map(|finding| finding.severity) {
        Some(Severity::Refuses) => Verdict::Refused,
        Some(Severity::Blocks) => Verdict::Partial,
        _ => Verdict::Runs,
    };
    Report { journey: journey.name.clone(), verdict, findings }
}

struct Check<'a> {
    library: &'a Library,
    around: Surroundings<'a>,
    /// The journeys among those that are called, and this one, that can come to an end.
    returning: BTreeSet<&'a str>,
    findings: Vec<Finding>,
}

fn is_fixed(id: &str) -> bool {
    id.eq_ignore_ascii_case(SUCCESS_NODE) || id.eq_ignore_ascii_case(FAILURE_NODE)
}

impl Check<'_> {
    fn add(&mut self, severity: Severity, node: Option<&NodeSpec>, problem: Problem) {
        let node = node.map(|node| (node.id.clone(), node.type_id.clone(), node.display_name.clone()));
        self.findings.push(Finding { severity, node, problem });
    }

    fn journey(&mut self, journey: &Journey) {
        if !journey.nodes.contains_key(&journey.entry) && !is_fixed(&journey.entry) {
            self.add(Severity::Refuses, None, Problem::NoEntry);
            return;
        }
        // A journey for others may well be empty; one without a session needs nobody.
        if is_fixed(&journey.entry) && !journey.inner_only {
            let success = journey.entry.eq_ignore_ascii_case(SUCCESS_NODE);
            if !success || !journey.no_session {
                self.add(Severity::Blocks, None, Problem::EndsAtOnce(success));
            }
        }
        for flag in &journey.odd_flags {
            self.add(Severity::Blocks, None, Problem::OddFlag(flag));
        }
        for name in &journey.missing_variables {
            self.add(Severity::Warns, None, Problem::MissingVariable(name.clone()));
        }
        let reachable = journey.reachable(&journey.entry);
        if reachable.len() < journey.nodes.len() {
            self.add(Severity::Warns, None, Problem::Unreachable(journey.nodes.len() - reachable.len()));
        }
        self.own(journey);
        // What is missing in an inner journey is missing here; its own report names the node.
        let mut seen = BTreeSet::from([journey.name.as_str()]);
        let mut open: Vec<&str> = inner_trees(journey).collect();
        while let Some(name) = open.pop() {
            if !seen.insert(name) {
                continue;
            }
            let Some(inner) = self.library.journey(name) else { continue };
            let own = std::mem::take(&mut self.findings);
            self.own(inner);
            let found = std::mem::replace(&mut self.findings, own);
            for finding in found.into_iter().filter(|finding| finding.severity != Severity::Warns) {
                self.findings.push(Finding { severity: Severity::Blocks, ..finding });
            }
            open.extend(inner_trees(inner));
        }
    }

    /// The journey without those it calls.
    fn own(&mut self, journey: &Journey) {
        for id in journey.reachable(&journey.entry) {
            let Some(node) = journey.nodes.get(id) else { continue };
            for part in node.with_children() {
                self.node(journey, part);
            }
            self.page(node);
            self.edges(journey, node);
            self.circles(journey, node);
        }
    }

    /// Ways that lead from a node back to it through nothing that asks, counts or draws lots: whoever takes one takes
    /// it again and again, until the engine ends it.
    fn circles(&mut self, journey: &Journey, node: &NodeSpec) {
        if !is_settled(node) {
            return;
        }
        for (outcome, target) in &node.connections {
            let mut seen = BTreeSet::new();
            let mut next = Some(target.as_str());
            // Only where there is one way on: what decides in between may decide to leave.
            while let Some(id) = next.filter(|id| seen.insert(*id)) {
                if id == node.id {
                    self.add(Severity::Blocks, Some(node), Problem::Endless(outcome.clone()));
                    break;
                }
                let between = journey.nodes.get(id).filter(|between| is_settled(between));
                let targets: BTreeSet<&str> =
                    between.into_iter().flat_map(|between| between.connections.values()).map(String::as_str).collect();
                next = (targets.len() == 1).then(|| targets.first().copied()).flatten();
            }
        }
    }

    /// What the node works with and the realm may not have.
    fn services(&mut self, node: &NodeSpec) {
        let around = self.around;
        let Some(realm) = around.realm else { return };
        let text = |field: &str| node.config.get(field).and_then(Value::as_str).unwrap_or_default();
        let mut needs = Vec::new();
        let mut need = |there: bool, severity, what: &str| {
            if !there {
                needs.push((severity, Problem::Needs(what.to_owned())));
            }
        };
        match node.node_type.map_or("", |kind| kind.type_id) {
            "AcceptTermsAndConditionsNode" | "TermsAndConditionsDecisionNode" => {
                need(realm.terms.is_some(), Severity::Blocks, "[identities.terms]");
            }
            // It sends and goes on, or has an outcome for when it cannot.
            "EmailTemplateNode" | "EmailNotifyNode" => need(around.mail, Severity::Warns, "[mail]"),
            "EmailSuspendNode" | "OneTimePasswordSmtpSenderNode" | "OneTimePasswordSmsSenderNode" => {
                need(around.mail, Severity::Blocks, "[mail]");
            }
            "PushRegistrationNode" | "PushRegNode" | "PushAuthenticationSenderNode" => {
                need(!realm.push.gateway.is_empty(), Severity::Blocks, "nodes.push_gateway");
            }
            "DeviceBindingNode" if node.config.get("attestation").and_then(Value::as_bool) == Some(true) => {
                let what = "nodes.attestation_status_url: keys that were revoked are taken";
                need(!realm.key_attestation.status_url.is_empty(), Severity::Warns, what);
            }
            "KbaCreateNode" => {
                let own = node.config.get("allowUserDefinedQuestions").and_then(Value::as_bool).unwrap_or(true);
                need(own || !realm.kba.questions.is_empty(), Severity::Blocks, "questions under [identities.kba]");
            }
            "product-CaptchaNode" | "product-CaptchaEnterpriseNode" => {
                let label = [text("secretLabelIdentifier"), text("secretKeyLabelIdentifier")].concat();
                let known = label.is_empty() || realm.secrets.contains_key(&label);
                need(known, Severity::Blocks, &format!("secret {label:?} under [nodes.secrets]"));
            }
            "SelectIdPNode" | "SocialProviderHandlerNode" | "SocialProviderHandlerNodeV2" => {
                let named = node.config.get("filteredProviders").and_then(Value::as_array).into_iter().flatten();
                let named: Vec<&str> = named.filter_map(Value::as_str).collect();
                let any = self.library.providers().any(|(name, _)| named.is_empty() || named.contains(&name));
                if !any {
                    let which = if named.is_empty() { "any".to_owned() } else { named.join(" or ") };
                    needs.push((Severity::Blocks, Problem::MissingProvider(which)));
                }
            }
            "ScriptedDecisionNode" | "ConfigProviderNode" => {
                let script = self.library.script(text("script"));
                if !around.http && script.is_some_and(|script| script.source.contains("httpClient.send")) {
                    let what = "a server under scripts.http_allow for the requests that its script sends";
                    needs.push((Severity::Warns, Problem::Needs(what.to_owned())));
                }
            }
            _ => {}
        }
        for (severity, problem) in needs {
            self.add(severity, Some(node), problem);
        }
    }

    fn node(&mut self, journey: &Journey, node: &NodeSpec) {
        self.secrets(node);
        let Some(kind) = node.node_type else {
            let (severity, problem) = match self.library.stub_of(&node.type_id) {
                Some(outcome) => (Severity::Warns, Problem::Stubbed(outcome.to_owned())),
                None => (Severity::Blocks, Problem::UnknownType(node.type_id.clone())),
            };
            self.add(severity, Some(node), problem);
            return;
        };
        if let Err(error) = kind.outcomes(&node.config) {
            let problem = if node.configured { Problem::Setting(error.to_string()) } else { Problem::NoConfiguration };
            self.add(Severity::Blocks, Some(node), problem);
            return;
        }
        self.services(node);
        let text = |field: &str| node.config.get(field).and_then(Value::as_str);
        match node.type_id.as_str() {
            "ScriptedDecisionNode" | "ConfigProviderNode" => {
                self.script(node, text("script").unwrap_or_default());
                if let Some(name) = text("nodeType")
                    && node_type(name).is_none_or(|kind| kind.fixed_outcomes.is_none())
                {
                    self.add(Severity::Blocks, Some(node), Problem::UnknownType(name.to_owned()));
                }
            }
            name if name.starts_with("designer-") => self.script(node, name),
            "SocialProviderHandlerNode" | "SocialProviderHandlerNodeV2" => {
                self.profile_script(node, text("script").unwrap_or_default());
            }
            "SelectIdPNode" => self.providers(node),
            "DeviceMatchNode" if node.config.get("useScript").and_then(Value::as_bool) == Some(true) => {
                self.script(node, text("script").unwrap_or_default());
            }
            "RegisterLogoutWebhookNode" => {
                let name = text("webhookName").unwrap_or_default();
                let problem =
                    Problem::Ignored(format!("webhook {name:?} is not called at logout: there are none here"));
                self.add(Severity::Warns, Some(node), problem);
            }
            "LdapDecisionNode" => {
                let servers = node.config.get("primaryServers").and_then(Value::as_array).into_iter().flatten();
                let servers: Vec<&str> = servers.filter_map(Value::as_str).collect();
                let what = format!(
                    "users are checked in the realm's identity store, not in the directory at {}",
                    if servers.is_empty() { "(no address)".to_owned() } else { servers.join(", ") }
                );
                self.add(Severity::Warns, Some(node), Problem::Ignored(what));
            }
            "InnerTreeEvaluatorNode" => {
                let name = text("tree").unwrap_or_default();
                if self.library.journey(name).is_none_or(|inner| !inner.enabled) {
                    self.add(Severity::Blocks, Some(node), Problem::MissingJourney(name.to_owned()));
                } else if !self.returning.contains(name) {
                    self.add(Severity::Blocks, Some(node), Problem::NeverReturns(name.to_owned()));
                }
            }
            "QueryFilterDecisionNode" if text("queryFilter").is_some_and(|text| Filter::parse(text).is_none()) => {
                let problem = Problem::Setting("setting queryFilter: is not a filter".to_owned());
                self.add(Severity::Blocks, Some(node), problem);
            }
            "CreateObjectNode" | "PatchObjectNode"
                if text("identityResource").is_some_and(|named| journey.other_resource(named)) =>
            {
                let problem = Problem::Setting("setting identityResource: is not the journey's".to_owned());
                self.add(Severity::Blocks, Some(node), problem);
            }
            _ => {}
        }
        if let Some(name) = text("emailTemplateName")
            && self.library.template(name).is_none()
        {
            self.add(Severity::Warns, Some(node), Problem::MissingTemplate(name.to_owned()));
        }
    }

    fn script(&mut self, node: &NodeSpec, id: &str) {
        match self.library.script(id) {
            None => self.add(Severity::Blocks, Some(node), Problem::MissingScript(id.to_owned())),
            Some(script) if script.language == Language::Groovy => {
                self.add(Severity::Blocks, Some(node), Problem::ScriptLanguage(script.name.clone()));
            }
            Some(script) => {
                if let Some(Err(why)) = self.around.scripts.map(|check| check(script)) {
                    self.add(Severity::Blocks, Some(node), Problem::BadScript(script.name.clone(), why));
                }
            }
        }
    }

    fn profile_script(&mut self, node: &NodeSpec, id: &str) {
        let problem = match mapping::find(self.library, id) {
            Ok(_) => return,
            Err(NoMapping::Missing) => Problem::MissingScript(id.to_owned()),
            Err(NoMapping::Other) => Problem::ProfileScript(id.to_owned()),
        };
        self.add(Severity::Blocks, Some(node), problem);
    }

    /// The identity providers that can be chosen.
    fn providers(&mut self, node: &NodeSpec) {
        let library = self.library;
        let named = node.config.get("filteredProviders").and_then(Value::as_array).into_iter().flatten();
        let named: Vec<&str> = named.filter_map(Value::as_str).collect();
        for name in named.iter().filter(|name| library.provider(name).is_none()) {
            self.add(Severity::Warns, Some(node), Problem::MissingProvider((*name).to_owned()));
        }
        for (name, settings) in library.providers() {
            if (named.is_empty() || named.contains(&name))
                && let Some(id) = settings.get("transform").and_then(Value::as_str)
            {
                self.profile_script(node, id);
            }
        }
    }

    fn page(&mut self, node: &NodeSpec) {
        if !node.is_page() {
            return;
        }
        if node.lost_children > 0 {
            self.add(Severity::Blocks, Some(node), Problem::Page("it has nodes in a form that is not known"));
        }
        let Some((_, before)) = node.children.split_last() else {
            self.add(Severity::Blocks, Some(node), Problem::Page("it has no nodes"));
            return;
        };
        let nests = |child: &NodeSpec| child.is_page() || child.type_id == "InnerTreeEvaluatorNode";
        if node.children.iter().any(nests) {
            self.add(Severity::Blocks, Some(node), Problem::Page("pages and inner trees cannot be on a page"));
        }
        if before.iter().any(|child| child.outcomes().is_some_and(|outcomes| outcomes.len() > 1)) {
            self.add(Severity::Warns, Some(node), Problem::Page("only its last node should have several outcomes"));
        }
    }

    fn edges(&mut self, journey: &Journey, node: &NodeSpec) {
        for (outcome, target) in &node.connections {
            if !journey.nodes.contains_key(target) && !is_fixed(target) {
                self.add(Severity::Blocks, Some(node), Problem::DanglingOutcome(outcome.clone()));
            }
        }
        let Some(outcomes) = node.outcomes() else { return };
        for outcome in &outcomes {
            if !node.connections.contains_key(outcome) {
                self.add(Severity::Warns, Some(node), Problem::UnconnectedOutcome(outcome.clone()));
            }
        }
        for outcome in node.connections.keys().filter(|outcome| !outcomes.contains(outcome)) {
            self.add(Severity::Warns, Some(node), Problem::NoSuchOutcome(outcome.clone()));
        }
    }

    /// Settings that are declared secret, and those of unknown types whose names say so.
    fn secrets(&mut self, node: &NodeSpec) {
        let declared: Option<Vec<&str>> = node.node_type.map(|kind| {
            let fields = kind.fields();
            fields.into_iter().filter(|field| field.kind == Kind::Secret).map(|field| field.name).collect()
        });
        for (name, value) in &node.config {
            let secret = match &declared {
                Some(fields) => fields.contains(&name.as_str()) || (!is_setting(node, name) && sounds_secret(name)),
                None => sounds_secret(name),
            };
            if secret && is_literal(value) {
                self.add(Severity::Warns, Some(node), Problem::LiteralSecret(name.clone()));
            }
        }
    }
}

/// Whether a node decides the same when it is processed again: it asks nobody, changes nothing that it looks at, and
/// draws no lots.
fn is_settled(node: &NodeSpec) -> bool {
    const UNSETTLED: [&str; 7] = [
        "RetryLimitDecisionNode",
        "FlowControlNode",
        "InnerTreeEvaluatorNode",
        "LoginCountDecisionNode",
        "IncrementLoginCountNode",
        "ModifyAuthLevelNode",
        "ConfigProviderNode",
    ];
    !node.is_page()
        && node.node_type.is_some_and(|kind| kind.callbacks.is_empty() && !UNSETTLED.contains(&kind.type_id))
}

fn is_setting(node: &NodeSpec, name: &str) -> bool {
    node.node_type.is_some_and(|kind| kind.fields().iter().any(|field| field.name == name))
}

fn inner_trees(journey: &Journey) -> impl Iterator<Item = &str> {
    let reachable = journey.reachable(&journey.entry);
    reachable.into_iter().filter_map(|id| journey.nodes.get(id)?.inner_tree())
}

/// Which of the journeys that one calls, and it itself, can be left: by an end, or by an exception, which others
/// report. One that calls itself on some ways only can; deep as it may go, the engine ends it.
fn returning<'a>(library: &'a Library, journey: &'a Journey) -> BTreeSet<&'a str> {
    let mut all: BTreeMap<&str, &Journey> = BTreeMap::new();
    let mut open = vec![journey];
    while let Some(journey) = open.pop() {
        if all.insert(journey.name.as_str(), journey).is_none() {
            open.extend(inner_trees(journey).filter_map(|name| library.journey(name)).map(|inner| &**inner));
        }
    }
    let mut known = BTreeSet::new();
    loop {
        let more: Vec<&str> = all
            .iter()
            .filter(|(name, journey)| {
                !known.contains(*name) && can_end(journey, |name| !all.contains_key(name) || known.contains(name))
            })
            .map(|(name, _)| *name)
            .collect();
        if more.is_empty() {
            return known;
        }
        known.extend(more);
    }
}

/// Whether some way leads to an end where inner journeys are left only if they `return`.
fn can_end(journey: &Journey, returns: impl Fn(&str) -> bool) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![journey.entry.as_str()];
    while let Some(id) = open.pop() {
        let Some(node) = journey.nodes.get(id) else { return true };
        if seen.insert(id) && node.inner_tree().is_none_or(&returns) {
            open.extend(node.connections.values().map(String::as_str));
            if node.connections.is_empty() {
                return true;
            }
        }
    }
    false
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let ends = ["password", "secret", "secretkey", "apikey", "apitoken", "clientsecret", "signingkey"];
    ends.iter().any(|end| name.ends_with(end))
}

fn is_literal(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text != "REDACTED" && !text.contains("&{"))
}

/// How many legacy and how many next-generation scripts a journey may run.
pub fn scripts(library: &Library, journey: &Journey) -> (usize, usize) {
    let mut count = (0, 0);
    let mut seen = BTreeSet::new();
    for id in journey.reachable(&journey.entry) {
        for part in journey.nodes.get(id).into_iter().flat_map(NodeSpec::with_children) {
            let id = match part.type_id.as_str() {
                "ScriptedDecisionNode" | "ConfigProviderNode" => script_id(&part.config),
                designed => designed.starts_with("designer-").then_some(designed),
            };
            let Some(script) = id.and_then(|id| library.script(id)).filter(|script| seen.insert(script.id.clone()))
            else {
                continue;
            };
            if script.next_generation { count.1 += 1 } else { count.0 += 1 }
        }
    }
    count
}

fn script_id(config: &Map<String, Value>) -> Option<&str> {
    config.get("script").and_then(Value::as_str)
}
