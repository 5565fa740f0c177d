//! What a journey needs of the world, as a set of small traits: the origin implements them, tests have them in memory.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use serde_json::{Map, Value};

use crate::callback::Callback;
use crate::engine::{Identified, PersistentCookie};
use crate::journey::Journey;
pub use crate::key_attestation::KeyAttestation;
use crate::library::Script;
use crate::mail::Mail;
use crate::request::Request;

pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, HostError>> + Send + 'a>>;

/// A service did not do its work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostError {
    pub service: &'static str,
    /// For the log.
    pub why: String,
}

impl std::fmt::Display for HostError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.service, self.why)
    }
}

impl std::error::Error for HostError {}

/// The services, for one realm.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    pub realm: &'a Realm,
    pub identities: &'a dyn Identities,
    pub devices: &'a dyn Devices,
    pub mailer: &'a dyn Mailer,
    pub scripts: &'a dyn Scripts,
    pub cookies: &'a dyn PersistentCookies,
    pub http: &'a dyn Http,
    pub push: &'a dyn PushAnswers,
    pub clock: &'a dyn Clock,
    pub random: &'a dyn Random,
    pub audit: &'a dyn Audit,
}

/// Settings of the realm that nodes look at.
#[derive(Clone, Default)]
pub struct Realm {
    /// As in `realm` of a success: `/` or `/alpha`.
    pub name: String,
    pub terms: Option<Terms>,
    pub kba: Kba,
    /// The resume link of a suspended journey: this with the id after it, such as `https://host/am/XUI/?suspendedId=`.
    pub resume_uri: String,
    /// By resource, such as `managed/user`; [`Realm::DEFAULT_RESOURCE`] stands for those that are missing.
    pub schemas: BTreeMap<String, Schema>,
    /// By label, for settings that name a secret instead of holding it (`secretLabelIdentifier` and its like).
    pub secrets: BTreeMap<String, String>,
    pub relying_party: RelyingParty,
    /// Schemes of apps that a journey may lead to, beside http and https.
    pub app_schemes: Vec<String>,
    pub push: PushSettings,
    /// What users may consent to share.
    pub consents: Vec<ConsentMapping>,
    /// The PingOne environment of each worker service, by the name that nodes give it.
    pub ping_one_environments: BTreeMap<String, String>,
    /// Whom to believe about the keys of Android phones.
    pub key_attestation: KeyAttestation,
}

/// Where push messages go and their answers come from; empty where there are none.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct PushSettings {
    /// The service that hands messages on to phones.
    pub gateway: String,
    /// Where phones answer: the origin's own addresses.
    pub register: String,
    pub authenticate: String,
}

/// A place that a profile is copied to if its user agrees.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct ConsentMapping {
    pub name: String,
    pub display_name: String,
    pub icon: String,
    /// What is shared, as users read it.
    pub access_level: String,
    pub titles: Vec<String>,
}

/// Who asks for WebAuthn credentials, where a node's settings do not say otherwise.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct RelyingParty {
    /// A domain: that of the pages, or one above it.
    pub id: String,
    /// Where the pages are, such as `https://login.example.com`.
    pub origins: Vec<String>,
}

impl Realm {
    pub const DEFAULT_RESOURCE: &'static str = "managed/user";

    pub fn schema(&self, resource: &str) -> Option<&Schema> {
        self.schemas.get(resource).or_else(|| self.schemas.get(Self::DEFAULT_RESOURCE))
    }
}

#[derive(Clone, Default)]
pub struct Terms {
    pub version: String,
    pub text: String,
    /// RFC 3339.
    pub create_date: String,
}

/// Knowledge-based authentication: questions and their answers.
#[derive(Clone)]
pub struct Kba {
    /// Question by id.
    pub questions: BTreeMap<String, String>,
    pub minimum_answers_to_define: usize,
    pub minimum_answers_to_verify: usize,
    /// Wrong answers until a user is refused; 0 for no limit.
    pub maximum_attempts: u32,
}

impl Default for Kba {
    fn default() -> Self {
        let questions = BTreeMap::new();
        Self { questions, minimum_answers_to_define: 2, minimum_answers_to_verify: 1, maximum_attempts: 5 }
    }
}

/// The properties of a kind of object.
#[derive(Clone, Default)]
pub struct Schema {
    pub properties: BTreeMap<String, Property>,
}

#[derive(Clone)]
pub struct Property {
    pub title: String,
    pub kind: PropertyKind,
    pub required: bool,
    pub viewable: bool,
    pub user_editable: bool,
    /// The policy object that validating callbacks show.
    pub policies: Value,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PropertyKind {
    Text,
    Number,
    Boolean,
    /// Lists and objects.
    Other,
}

impl Schema {
    /// The property at a path such as `preferences/updates`: declared by its whole path.
    pub fn property(&self, path: &str) -> Option<&Property> {
        self.properties.get(path.trim_start_matches('/'))
    }
}

/// Someone that the realm knows. Attributes that are never shown (password, answers) are not among `attributes`.
#[derive(Clone, PartialEq)]
pub struct Identity {
    /// `_id`.
    pub id: String,
    pub username: String,
    pub universal_id: String,
    pub active: bool,
    /// Milliseconds since 1970; `None` where it is not known.
    pub created: Option<u64>,
    pub attributes: Map<String, Value>,
}

/// What came of a password.
#[derive(Clone, PartialEq)]
pub enum PasswordCheck {
    /// Right. `must_change`: it is expired or was reset; `Warned` when it will expire soon.
    Right { identity: Identity, change: PasswordChange },
    /// Unknown user or wrong password: the host takes the same time for both.
    Wrong,
    /// Right or not, the account is locked or inactive.
    Locked,
    /// Right, and expired for good.
    Expired,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PasswordChange {
    None,
    /// Will expire soon, or a grace login was used.
    Offered,
    /// Was reset by an administrator.
    Forced,
}

/// Who is in the realm. Names are compared as the store compares them.
pub trait Identities: Send + Sync {
    /// The object of this resource with `attribute` equal to `value`, or with `value` among the values of an attribute
    /// that has several, such as `aliasList`; `userName` and `_id` are attributes here.
    fn find<'a>(&'a self, resource: &'a str, attribute: &'a str, value: &'a str) -> Pending<'a, Option<Identity>>;

    /// Checks a user's password. An unknown user costs as much time as a wrong password.
    fn check_password<'a>(&'a self, username: &'a str, password: &'a str) -> Pending<'a, PasswordCheck>;

    /// Likewise for agents.
    fn check_agent_password<'a>(&'a self, name: &'a str, password: &'a str) -> Pending<'a, Option<Identity>>;

    /// The user's own change, with the old password; `false` when the old one is wrong or the new one is not allowed.
    fn change_password<'a>(&'a self, username: &'a str, old: &'a str, new: &'a str) -> Pending<'a, bool>;

    /// Creates an object; a `password` among the attributes is hashed, `kbaInfo` answers likewise. `Err` in the inner
    /// result is why it was refused (a policy, a name that is taken).
    fn create<'a>(
        &'a self,
        resource: &'a str,
        attributes: &'a Map<String, Value>,
    ) -> Pending<'a, Result<Identity, String>>;

    /// Replaces the values of these attributes, by path.
    fn patch<'a>(
        &'a self,
        resource: &'a str,
        identity: &'a Identity,
        changes: &'a Map<String, Value>,
        as_user: bool,
    ) -> Pending<'a, Result<(), String>>;

    /// What policies a value fails: each an object as in `failedPolicies`. `object` is the `_id` for history policies.
    fn failed_policies<'a>(
        &'a self,
        resource: &'a str,
        object: Option<&'a str>,
        attribute: &'a str,
        value: &'a Value,
    ) -> Pending<'a, Vec<Value>>;

    /// Whether the attribute has a value, those included that are never shown.
    fn has<'a>(&'a self, resource: &'a str, identity: &'a Identity, attribute: &'a str) -> Pending<'a, bool>;

    /// Activates or deactivates; `false` when there is no such user.
    fn set_active<'a>(&'a self, username: &'a str, active: bool) -> Pending<'a, bool>;

    /// A number that the realm keeps beside a user: login counts, retries, wrong answers. `None`: never set.
    fn counter<'a>(&'a self, username: &'a str, name: &'a str) -> Pending<'a, Option<i64>>;

    /// Sets it; `None` removes it. `false` when there is no such user.
    fn set_counter<'a>(&'a self, username: &'a str, name: &'a str, value: Option<i64>) -> Pending<'a, bool>;

    /// The questions a user has answered. Answers come here in one spelling, to be kept and to be compared.
    fn questions<'a>(&'a self, identity: &'a Identity, attribute: &'a str) -> Pending<'a, Vec<Question>>;

    fn check_answer<'a>(
        &'a self,
        identity: &'a Identity,
        attribute: &'a str,
        question: &'a Question,
        answer: &'a str,
    ) -> Pending<'a, bool>;

    /// The version of the terms that was accepted last.
    fn accepted_terms<'a>(&'a self, identity: &'a Identity) -> Pending<'a, Option<String>>;

    fn accept_terms<'a>(&'a self, identity: &'a Identity, version: &'a str, date: &'a str) -> Pending<'a, ()>;

    /// Uses up one of the recovery codes of this kind (`OATH`, `PUSH`, `WEB_AUTHN`); `false` when it is not one.
    fn use_recovery_code<'a>(&'a self, username: &'a str, kind: &'a str, code: &'a str) -> Pending<'a, bool>;
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Question {
    /// The id of one of the realm's.
    Predefined(String),
    /// The user's own, as text.
    Custom(String),
}

/// What kind of second factor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DeviceKind {
    /// One-time passwords.
    Oath,
    WebAuthn,
    /// Phones that are sent messages.
    Push,
    /// Keys in apps.
    Binding,
    /// What a device says of itself; no factor.
    Profile,
}

impl DeviceKind {
    /// As in AM's `devices/2fa/<name>`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oath => "oath",
            Self::WebAuthn => "webauthn",
            Self::Push => "push",
            Self::Binding => "binding",
            Self::Profile => "profile",
        }
    }

    /// As [`Identities::use_recovery_code`] has it.
    pub const fn recovery(self) -> &'static str {
        match self {
            Self::Oath => "OATH",
            Self::WebAuthn => "WEB_AUTHN",
            Self::Push => "PUSH",
            Self::Binding => "BINDING",
            Self::Profile => "PROFILE",
        }
    }
}

/// A second factor of a user. No `Debug`: the profile has secrets.
#[derive(Clone, PartialEq)]
pub struct Device {
    /// `uuid`.
    pub id: String,
    /// As in AM's device profiles.
    pub profile: Map<String, Value>,
    /// By this the host finds whose it is, where nobody has said who he is.
    pub credential_id: Option<String>,
    /// How often it was changed.
    pub version: i64,
}

/// The second factors of users.
pub trait Devices: Send + Sync {
    /// Oldest first.
    fn list<'a>(&'a self, username: &'a str, kind: DeviceKind) -> Pending<'a, Vec<Device>>;

    /// Who has the device with this credential.
    fn owner<'a>(&'a self, kind: DeviceKind, credential_id: &'a str) -> Pending<'a, Option<String>>;

    /// Adds a device; `replace` removes all others of its kind. `false` when the credential is somebody's already, or
    /// there are as many devices as there may be.
    fn add<'a>(&'a self, username: &'a str, kind: DeviceKind, device: &'a Device, replace: bool) -> Pending<'a, bool>;

    /// Stores the profile if the device still has the version it came with: of two logins that use the same code at the
    /// same time, one gets `false`.
    fn update<'a>(&'a self, username: &'a str, kind: DeviceKind, device: &'a Device) -> Pending<'a, bool>;

    /// Puts these in the place of the recovery codes that the user has for this kind.
    fn set_recovery_codes<'a>(&'a self, username: &'a str, kind: DeviceKind, codes: &'a [String]) -> Pending<'a, ()>;
}

pub trait Mailer: Send + Sync {
    /// Takes a mail for delivery and returns at once: how long delivery takes must not tell whether there is an
    /// account.
    fn send<'a>(&'a self, mail: Mail) -> Pending<'a, ()>;
}

/// What a script is told.
pub struct ScriptCall<'a> {
    pub script: &'a Script,
    /// For messages in the log.
    pub node: &'a str,
    /// Only what the node's inputs let through.
    pub shared: Map<String, Value>,
    pub transient: Map<String, Value>,
    pub secure: Map<String, Value>,
    pub callbacks: &'a [Callback],
    /// `properties`: the settings of a node made with the node designer.
    pub properties: Map<String, Value>,
    pub outcomes: &'a [String],
    pub realm: &'a str,
    /// That the node is in.
    pub journey: &'a Journey,
    pub request: &'a Request,
    pub resumed: bool,
}

/// What a script decided. The stores are those it was given, as it left them.
pub struct ScriptResult {
    pub shared: Map<String, Value>,
    pub transient: Map<String, Value>,
    pub secure: Map<String, Value>,
    pub action: ScriptAction,
    pub session_properties: Map<String, Value>,
    pub removed_session_properties: Vec<String>,
    pub identified: Option<Identified>,
    pub error_message: Option<String>,
    pub lockout_message: Option<String>,
    pub max_session_minutes: Option<i64>,
    pub max_idle_minutes: Option<i64>,
    /// `withHeader`, `withDescription`, `withStage`.
    pub header: Option<String>,
    pub description: Option<String>,
    pub stage: Option<String>,
}

pub enum ScriptAction {
    GoTo(String),
    Send(Vec<Callback>),
    /// `message` may contain `{{resumeURI}}`.
    Suspend {
        message: String,
        minutes: Option<i64>,
    },
}

pub trait Scripts: Send + Sync {
    /// Runs a decision script in its sandbox. An error is the script's (or the sandbox ended it) and ends the node.
    fn decide<'a>(&'a self, call: ScriptCall<'a>) -> Pending<'a, ScriptResult>;

    /// Runs a config provider script: what it has left in `config`.
    fn configure<'a>(&'a self, call: ScriptCall<'a>) -> Pending<'a, Map<String, Value>>;
}

/// The cookie that remembers a user between sessions: sealed and opened by the host, which has the keys.
pub trait PersistentCookies: Send + Sync {
    /// Who is remembered, if the cookie is of this realm, untouched, neither idle nor too old, and from this address if
    /// `cookie` asks for that.
    fn open<'a>(
        &'a self,
        value: &'a str,
        cookie: &'a PersistentCookie,
        request: &'a Request,
    ) -> Pending<'a, Option<Identity>>;

    /// Sets a cookie with the answer to this request. `Err` is why no browser would take it, or it is not for nodes.
    fn set(&self, cookie: &ResponseCookie) -> Result<(), String>;
}

/// A cookie of a journey's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResponseCookie {
    pub name: String,
    pub value: String,
    pub max_age_seconds: Option<i64>,
    pub domain: Option<String>,
    pub path: Option<String>,
    pub secure: bool,
    pub http_only: bool,
    /// `STRICT`, `LAX` or `NONE`.
    pub same_site: String,
}

/// A request of a node to a server that its settings name.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET` or `POST`.
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    pub body: Vec<u8>,
}

/// The way out. The host bounds time and size, checks certificates, follows no redirects, and lets nothing through to
/// addresses that are not for nodes.
pub trait Http: Send + Sync {
    fn send<'a>(&'a self, request: HttpRequest) -> Pending<'a, HttpResponse>;
}

/// What phones have answered to push messages. What they send to [`PushSettings`]'s addresses is kept here, as it is
/// and bounded, if its message is expected; the node that asked checks it.
pub trait PushAnswers: Send + Sync {
    /// Answers to this message are to be kept until then (milliseconds since 1970).
    fn expect<'a>(&'a self, message: &'a str, until: u64) -> Pending<'a, ()>;

    /// The JWT that was answered, if any was yet.
    fn answer<'a>(&'a self, message: &'a str) -> Pending<'a, Option<String>>;
}

pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now(&self) -> u64;
}

pub trait Random: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// What happened at a node.
#[derive(Clone, Copy)]
pub struct NodeEvent<'a> {
    pub journey: &'a str,
    pub node: &'a str,
    pub node_type: &'a str,
    pub display_name: &'a str,
    /// The outcome, or why there was none.
    pub outcome: Result<&'a str, &'a NodeEventError>,
}

pub type NodeEventError = crate::node::NodeError;

pub trait Audit: Send + Sync {
    fn node(&self, event: NodeEvent<'_>);

    /// A journey came by: one more of this measurement.
    fn counted(&self, key: &str);

    /// It took so many milliseconds.
    fn timed(&self, key: &str, milliseconds: u64);
}
