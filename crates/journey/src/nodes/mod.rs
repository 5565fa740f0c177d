//! One file per node type, one line here.

mod prelude;

use crate::node::NodeType;

macro_rules! nodes {
    ($($module:ident,)*) => {
        $(pub(crate) mod $module;)*

        static NODE_TYPES: &[NodeType] = &[$(NodeType::of::<$module::This>()),*];
    };
}

nodes! {
    data_store_decision,
    inner_tree_evaluator,
    message,
    page,
    password_collector,
    persistent_cookie_decision,
    retry_limit_decision,
    scripted_decision,
    set_persistent_cookie,
    username_collector,
}

/// Every node type there is.
pub fn node_types() -> &'static [NodeType] {
    NODE_TYPES
}

pub fn node_type(type_id: &str) -> Option<&'static NodeType> {
    NODE_TYPES.iter().find(|kind| kind.type_id == type_id)
}
