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
    add_attributes_to_object_attributes,
    agent_data_store_decision,
    amster_jwt_decision,
    anonymous_user,
    attribute_collector,
    attribute_present_decision,
    attribute_value_decision,
    auth_level_decision,
    captcha,
    captcha_enterprise,
    choice_collector,
    config_provider,
    consent,
    cookie_presence_decision,
    create_object,
    create_password,
    data_store_decision,
    debug,
    designer,
    device_binding,
    device_binding_storage,
    device_geo_fencing,
    device_location_match,
    device_match,
    device_profile_collector,
    device_save,
    device_signing_verifier,
    device_tampering_verification,
    display_user_name,
    email_notify,
    email_suspend,
    email_template,
    flow_control,
    get_authenticator_app,
    html_message,
    identify_existing_user,
    identity_store_decision,
    increment_login_count,
    inner_tree_evaluator,
    input_collector,
    ip_address_decision,
    kba_create,
    kba_decision,
    kba_verify,
    ldap_decision,
    login_count_decision,
    message,
    metadata,
    meter,
    modify_auth_level,
    multi_factor_registration_options,
    oath_device_storage,
    oath_registration,
    oath_token_verifier,
    one_time_password_collector_decision,
    one_time_password_generator,
    one_time_password_sms_sender,
    one_time_password_smtp_sender,
    opt_out_multi_factor_authentication,
    page,
    password_collector,
    patch_object,
    persistent_cookie_decision,
    ping_one_protect_initialize,
    polling_wait,
    profile_attribute_to_state,
    profile_completeness_decision,
    provision_dynamic_account,
    push_authentication_sender,
    push_reg,
    push_registration,
    push_result_verifier,
    push_wait,
    query_filter_decision,
    query_parameter,
    re_captcha,
    recovery_code_collector_decision,
    recovery_code_display,
    register_logout_webhook,
    remove_session_properties,
    request_header,
    required_attributes_decision,
    retry_limit_decision,
    scripted_decision,
    search_for_user,
    select_id_p,
    session_data,
    set_custom_cookie,
    set_error_details,
    set_failure_details,
    set_failure_url,
    set_persistent_cookie,
    set_profile_property,
    set_session_properties,
    set_state,
    set_success_details,
    set_success_url,
    social_facebook,
    social_google,
    social_o_auth2,
    social_open_id_connect,
    social_provider_handler,
    social_provider_handler_node_v2,
    terms_and_conditions_decision,
    theme,
    time_since_decision,
    timer_start,
    timer_stop,
    update_journey_timeout,
    username_collector,
    validated_password,
    validated_username,
    web_authn_authentication,
    web_authn_device_storage,
    web_authn_registration,
    zero_page_login,
}

/// Every node type there is.
pub fn node_types() -> &'static [NodeType] {
    NODE_TYPES
}

/// By its type id. Some came into the product under a name that begins with `product-`, and were known without before.
pub fn node_type(type_id: &str) -> Option<&'static NodeType> {
    const PRODUCT: &str = "product-";
    let bare = type_id.strip_prefix(PRODUCT).unwrap_or(type_id);
    let exact = NODE_TYPES.iter().find(|kind| kind.type_id == type_id);
    exact.or_else(|| NODE_TYPES.iter().find(|kind| kind.type_id.strip_prefix(PRODUCT).unwrap_or(kind.type_id) == bare))
}
