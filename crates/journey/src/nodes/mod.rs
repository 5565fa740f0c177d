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
    accept_terms_and_conditions,
    account_active_decision,
    account_lockout,
    agent_data_store_decision,
    anonymous_user,
    attribute_collector,
    attribute_present_decision,
    attribute_value_decision,
    choice_collector,
    create_object,
    data_store_decision,
    email_suspend,
    identify_existing_user,
    identity_store_decision,
    increment_login_count,
    inner_tree_evaluator,
    kba_create,
    kba_decision,
    kba_verify,
    login_count_decision,
    message,
    modify_auth_level,
    one_time_password_collector_decision,
    one_time_password_generator,
    one_time_password_smtp_sender,
    page,
    password_collector,
    patch_object,
    persistent_cookie_decision,
    polling_wait,
    query_filter_decision,
    recovery_code_collector_decision,
    recovery_code_display,
    retry_limit_decision,
    scripted_decision,
    session_data,
    set_error_details,
    set_failure_details,
    set_failure_url,
    set_persistent_cookie,
    set_session_properties,
    set_success_details,
    set_success_url,
    terms_and_conditions_decision,
    update_journey_timeout,
    username_collector,
    validated_password,
    validated_username,
    zero_page_login,
}

/// Every node type there is.
pub fn node_types() -> &'static [NodeType] {
    NODE_TYPES
}

pub fn node_type(type_id: &str) -> Option<&'static NodeType> {
    NODE_TYPES.iter().find(|kind| kind.type_id == type_id)
}
