use serde_json::Value;

use crate::callback::{Callback, CallbackType};
use crate::engine::Effects;
use crate::host::Host;
use crate::journey::{Journey, NodeSpec};
use crate::library::Library;
use crate::locale::Localised;
use crate::request::Request;
use crate::state::Stores;

/// What a node is given when it is processed.
pub(crate) struct Step<'a> {
    pub(crate) library: &'a Library,
    pub(crate) journey: &'a Journey,
    pub(crate) node: &'a NodeSpec,
    pub(crate) host: Host<'a>,
    pub(crate) request: &'a Request,
    pub(crate) state: &'a mut Stores,
    pub(crate) effects: &'a mut Effects,
    /// The node's own callbacks with the client's answers; empty the first time.
    pub(crate) callbacks: &'a [Callback],
    /// Whether the node suspended the journey and its link was opened now.
    pub(crate) resumed: bool,
    /// Nodes that may still run in this request.
    pub(crate) budget: &'a mut u32,
}

impl<'a> Step<'a> {
    pub(crate) fn now(&self) -> u64 {
        self.host.clock.now()
    }

    /// The answered callback of this type.
    pub(crate) fn answered(&self, kind: CallbackType) -> Option<&'a Callback> {
        self.callbacks.iter().find(|callback| callback.is(kind))
    }

    /// The text answered to a callback of this type; `None` the first time and for a blank answer.
    pub(crate) fn answer(&self, kind: CallbackType) -> Option<&'a str> {
        self.answered(kind).map(Callback::text).filter(|text| !text.trim().is_empty())
    }

    /// The texts answered to all callbacks of this type.
    pub(crate) fn answers(&self, kind: CallbackType) -> Vec<&'a str> {
        self.callbacks.iter().filter(|callback| callback.is(kind)).map(Callback::text).collect()
    }

    /// The step of a node that runs within this one.
    pub(crate) fn within<'b>(&'b mut self, node: &'b NodeSpec, callbacks: &'b [Callback]) -> Step<'b> {
        Step {
            library: self.library,
            journey: self.journey,
            node,
            host: self.host,
            request: self.request,
            state: self.state,
            effects: self.effects,
            callbacks,
            resumed: self.resumed,
            budget: self.budget,
        }
    }

    pub(crate) fn text(&self, texts: &Localised, default: &str) -> String {
        texts.pick(&self.request.languages).filter(|text| !text.is_empty()).unwrap_or(default).to_owned()
    }

    /// The key of a value that belongs to this node alone.
    pub(crate) fn own(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.node.id)
    }

    pub(crate) fn own_number(&self, suffix: &str) -> Option<i64> {
        self.state.get(&self.own(suffix)).and_then(Value::as_i64)
    }

    pub(crate) fn username(&self) -> Option<&str> {
        self.state.text("username").filter(|name| !name.is_empty())
    }

    /// A number below `bound`, each equally likely.
    pub(crate) fn below(&self, bound: u32) -> u32 {
        // Values of the last, incomplete range are drawn again.
        let limit = u32::MAX - u32::MAX % bound.max(1);
        loop {
            let mut bytes = [0; 4];
            self.host.random.fill(&mut bytes);
            let drawn = u32::from_le_bytes(bytes);
            if drawn < limit {
                return drawn % bound.max(1);
            }
        }
    }

    /// Letters of an alphabet, each equally likely.
    pub(crate) fn drawn(&self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let bound = u32::try_from(letters.len()).unwrap_or(u32::MAX);
        (0..length).filter_map(|_| letters.get(self.below(bound) as usize)).collect()
    }

    /// 128 random bits as text, for ids that are their own proof.
    pub(crate) fn random_id(&self) -> String {
        use base64::Engine as _;
        let mut bytes = [0; 16];
        self.host.random.fill(&mut bytes);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn date(&self) -> String {
        let milliseconds = i64::try_from(self.now()).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(milliseconds).map(|time| time.to_string()).unwrap_or_default()
    }
}
