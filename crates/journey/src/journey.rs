use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::Document;
use crate::document::{Child, children, text_at};
use crate::node::NodeType;
use crate::nodes::designer::DEFINITION;
use crate::nodes::node_type;
use crate::variables::Variables;

/// The fixed nodes, the same in every tree.
pub const SUCCESS_NODE: &str = "70e691a5-1e33-4ac3-a356-e7b6d60d92e0";
pub const FAILURE_NODE: &str = "e301438c-0bd0-429c-ab0c-66126501069a";

/// The journeys that a new installation of AM's platform has; exports of others call them and do not have them along.
const COME_WITH_THE_PLATFORM: [&str; 6] =
    ["Login", "Registration", "ProgressiveProfile", "UpdatePassword", "ResetPassword", "ForgottenUsername"];

/// For whoever misses a journey, to go after its name.
pub(crate) fn advice(name: &str) -> &'static str {
    match COME_WITH_THE_PLATFORM.contains(&name) {
        true => "; it is one that the platform comes with: export it from there too",
        false => "",
    }
}

/// A journey that can run: what [`Document`] says, read once.
#[derive(Clone)]
pub struct Journey {
    pub name: String,
    pub entry: String,
    pub nodes: BTreeMap<String, NodeSpec>,
    pub enabled: bool,
    pub inner_only: bool,
    pub must_run: bool,
    pub no_session: bool,
    pub transactional_only: bool,
    identity_resource: Option<String>,
    /// Minutes.
    pub max_session_time: Option<i64>,
    pub max_idle_time: Option<i64>,
    pub tree_timeout: Option<i64>,
    /// Placeholders without a value.
    pub missing_variables: BTreeSet<String>,
    /// Flags of the tree that are neither true nor false.
    pub odd_flags: Vec<&'static str>,
}

/// A node of a journey, or a child of a page.
#[derive(Clone)]
pub struct NodeSpec {
    pub id: String,
    pub type_id: String,
    pub version: Option<String>,
    pub display_name: String,
    /// With variables resolved.
    pub config: Map<String, Value>,
    pub connections: BTreeMap<String, String>,
    /// Of a page.
    pub children: Vec<NodeSpec>,
    /// Children in no form that is known.
    pub(crate) lost_children: usize,
    /// Whether the export had a configuration for it.
    pub(crate) configured: bool,
    /// `None`: a type that is not known here.
    pub(crate) node_type: Option<&'static NodeType>,
}

impl NodeSpec {
    /// The ids it can be left by, if that can be told.
    pub fn outcomes(&self) -> Option<Vec<String>> {
        match self.node_type?.outcomes(&self.config).ok()? {
            Some(outcomes) => Some(outcomes),
            None => {
                let last = self.children.last()?;
                Some(last.outcomes()?.iter().map(|outcome| self.page_outcome(last, outcome)).collect())
            }
        }
    }

    /// Itself and, of a page, its children.
    pub fn with_children(&self) -> impl Iterator<Item = &NodeSpec> {
        std::iter::once(self).chain(&self.children)
    }

    /// The journey that an inner tree evaluator calls.
    pub fn inner_tree(&self) -> Option<&str> {
        (self.type_id == "InnerTreeEvaluatorNode").then(|| self.config.get("tree")?.as_str())?
    }

    /// By what a page is left when its last child is left by `outcome`: from version 2.0 on the child's id stands
    /// before.
    pub(crate) fn page_outcome(&self, last: &Self, outcome: &str) -> String {
        match &self.version {
            Some(version) if version.starts_with('2') => format!("{}-{outcome}", last.id),
            _ => outcome.to_owned(),
        }
    }

    pub(crate) fn is_page(&self) -> bool {
        self.type_id == "PageNode"
    }
}

/// A flag, also as a text: some tools write every value as one. `None` for what is neither true nor false.
pub fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

impl Journey {
    /// Reads a journey. `None` when it has no tree or no entry.
    pub fn compile(name: &str, document: &Document, variables: &Variables) -> Option<Self> {
        let tree = document.tree()?;
        let mut odd_flags = Vec::new();
        // What is neither true nor false must not open what was meant to be shut.
        let mut flag = |field: &'static str, absent, odd| match tree.get(field) {
            None => absent,
            Some(value) => truth(value).unwrap_or_else(|| {
                odd_flags.push(field);
                odd
            }),
        };
        let number = |field: &str| tree.get(field).and_then(Value::as_i64).filter(|number| *number > 0);
        let mut missing = BTreeSet::new();
        let mut nodes = BTreeMap::new();
        let associations = tree.get("nodes").and_then(Value::as_object);
        for (id, association) in associations.into_iter().flatten() {
            let Some(association) = association.as_object() else { continue };
            nodes.insert(id.clone(), spec(id, association, document, variables, &mut missing));
        }
        let resource = tree.get("identityResource").and_then(Value::as_str);
        // Edges may have the ids of nodes in other letters than the nodes themselves.
        let spelt = |id: &str, nodes: &BTreeMap<String, NodeSpec>| {
            let other = || nodes.keys().find(|known| known.eq_ignore_ascii_case(id)).cloned();
            (!nodes.contains_key(id)).then(other).flatten()
        };
        let entry = tree.get("entryNodeId")?.as_str()?;
        let entry = spelt(entry, &nodes).unwrap_or_else(|| entry.to_owned());
        let targets: BTreeSet<&String> = nodes.values().flat_map(|node| node.connections.values()).collect();
        let others: BTreeMap<String, String> =
            targets.into_iter().filter_map(|id| Some((id.clone(), spelt(id, &nodes)?))).collect();
        if !others.is_empty() {
            for target in nodes.values_mut().flat_map(|node| node.connections.values_mut()) {
                if let Some(other) = others.get(target) {
                    target.clone_from(other);
                }
            }
        }
        Some(Self {
            name: name.to_owned(),
            entry,
            nodes,
            enabled: flag("enabled", true, false),
            inner_only: flag("innerTreeOnly", false, true),
            must_run: flag("mustRun", false, false),
            no_session: flag("noSession", false, true),
            transactional_only: flag("transactionalOnly", false, true),
            identity_resource: resource.filter(|name| !name.is_empty() && *name != "null").map(str::to_owned),
            max_session_time: number("maximumSessionTime"),
            max_idle_time: number("maximumIdleTime"),
            tree_timeout: number("treeTimeout"),
            missing_variables: missing,
            odd_flags,
        })
    }

    /// The managed object type it works on.
    pub fn identity_resource(&self) -> &str {
        self.identity_resource.as_deref().unwrap_or(crate::host::Realm::DEFAULT_RESOURCE)
    }

    /// Whether a node that names this resource works on another kind of object. Classic realms name none in the tree.
    pub(crate) fn other_resource(&self, named: &str) -> bool {
        self.identity_resource.as_deref().is_some_and(|own| own != named)
    }

    /// The nodes that can be reached from `start` (the entry, for a journey from its beginning), the start included.
    pub fn reachable<'a>(&'a self, start: &'a str) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![start];
        while let Some(id) = open.pop() {
            if let Some((id, node)) = self.nodes.get_key_value(id)
                && seen.insert(id.as_str())
            {
                open.extend(node.connections.values().map(String::as_str));
            }
        }
        seen
    }
}

fn spec(
    id: &str,
    association: &Map<String, Value>,
    document: &Document,
    variables: &Variables,
    missing: &mut BTreeSet<String>,
) -> NodeSpec {
    let raw = document.node(id);
    let mut config = variables.resolve(raw.unwrap_or(&Map::new()), missing);
    let type_id = text_at(association, &["nodeType"]).or_else(|| text_at(&config, &["_type", "_id"]));
    let type_id = type_id.unwrap_or_default();
    let connections = association.get("connections").and_then(Value::as_object).into_iter().flatten();
    let connections =
        connections.filter_map(|(outcome, target)| Some((outcome.clone(), target.as_str()?.to_owned()))).collect();
    let (list, lost_children) = if type_id == "PageNode" { children(&config) } else { (Vec::new(), 0) };
    let children = list.into_iter().map(|child| child_spec(child, document, variables, missing)).collect();
    NodeSpec {
        id: id.to_owned(),
        node_type: type_of(&type_id, &mut config, document),
        type_id,
        version: text_at(association, &["version"]).or_else(|| text_at(&config, &["_type", "version"])),
        display_name: text_at(association, &["displayName"]).unwrap_or_default(),
        configured: raw.is_some(),
        config,
        connections,
        children,
        lost_children,
    }
}

/// The type of a node. One that was made with the node designer takes its definition from the export along.
fn type_of(type_id: &str, config: &mut Map<String, Value>, document: &Document) -> Option<&'static NodeType> {
    let Some(service) = type_id.strip_prefix("designer-") else { return node_type(type_id) };
    let defines = |definition: &&Map<String, Value>| {
        definition.get("serviceName").and_then(Value::as_str).is_some_and(|name| name == service)
    };
    let definition = document.section("nodeTypes").map(|(_, definition)| definition).find(defines)?;
    let mut definition = definition.clone();
    definition.remove("script");
    config.insert(DEFINITION.to_owned(), Value::Object(definition));
    node_type("designer")
}

fn child_spec(child: Child, document: &Document, variables: &Variables, missing: &mut BTreeSet<String>) -> NodeSpec {
    let raw = document.node(&child.id).or(child.inline.as_ref());
    let mut config = variables.resolve(raw.unwrap_or(&Map::new()), missing);
    NodeSpec {
        node_type: type_of(&child.node_type, &mut config, document),
        config,
        configured: raw.is_some(),
        id: child.id,
        type_id: child.node_type,
        version: child.version,
        display_name: child.display_name,
        connections: BTreeMap::new(),
        children: Vec::new(),
        lost_children: 0,
    }
}
