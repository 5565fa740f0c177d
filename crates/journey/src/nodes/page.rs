use super::prelude::*;
use crate::config::Nodes;
use crate::engine;
use crate::nodes::select_id_p;

config! {
    /// The heading.
    pageHeader: Localised;
    /// The text under it.
    pageDescription: Localised;
    /// For the client to know which page this is; sent as it is.
    stage: Option<String>;
    /// The nodes on the page, in order. Only the last may have several outcomes.
    nodes: Nodes;
}

/// Which child a callback belongs to, by the callback's index. That it is there means that the page was shown.
const ASKED: &str = "pageNodeCallbacks";

pub(crate) struct This;

impl Node for This {
    const TYPE: &'static str = "PageNode";
    const NAME: &'static str = "Page Node";
    const ABOUT: &'static str = "Shows the callbacks of several nodes at once and leaves by the outcome of the last.";
    const OUTCOMES: Outcomes<Config> = Outcomes::LastChild;
    // The children declare their own; each is held to its declaration when it runs.
    const INPUTS: &'static [Key] = &[];
    const OUTPUTS: &'static [Key] = &[Key::Named(ASKED)];
    type Config = Config;

    async fn process(config: Config, step: &mut Step<'_>) -> NodeResult {
        let children = &step.node.children;
        if children.is_empty() {
            return Err(NodeError::Config("the page has no nodes".to_owned()));
        }
        let mut shown = submitted(step, children.len());
        let (mut asks, mut left_by) = (false, None);
        // Whether the password of this realm is wanted is decided before it is asked for.
        let chooser = children.iter().rposition(|child| child.type_id == select_id_p::This::TYPE);
        let chooser = chooser.filter(|position| position + 1 == children.len());
        let order = chooser.into_iter().chain((0..children.len()).filter(|position| Some(*position) != chooser));
        for position in order {
            let (Some(child), Some(own)) = (children.get(position), shown.get_mut(position)) else { continue };
            let last = position + 1 == children.len();
            let mut inner = step.within(child, own);
            // The box ends the recursion: a page is processed as its children are.
            let action = Box::pin(engine::process(&mut inner)).await?;
            match action {
                Action::Send(callbacks) => {
                    asks |= callbacks.iter().any(|callback| !callback.is(CallbackType::MetadataCallback));
                    if last {
                        left_by = None;
                    }
                    *own = callbacks;
                }
                Action::GoTo(outcome) => {
                    forget_secrets(own);
                    if last {
                        left_by = Some(step.node.page_outcome(child, &outcome));
                        if chooser.is_some() && outcome != select_id_p::LOCAL {
                            asks = false;
                            break;
                        }
                    }
                }
                Action::Suspend { .. } | Action::Enter { .. } => {
                    return Err(NodeError::Config(format!("{} cannot be on a page", child.type_id)));
                }
            }
        }
        if asks {
            let owners: Map<String, Value> = shown
                .iter()
                .enumerate()
                .flat_map(|(child, callbacks)| std::iter::repeat_n(child, callbacks.len()))
                .enumerate()
                .map(|(index, child)| (index.to_string(), json!(child)))
                .collect();
            step.state.put_shared(ASKED, owners);
            let header = step.text(&config.pageHeader, "");
            let description = step.text(&config.pageDescription, "");
            let page = &mut step.effects.page;
            let filled = |text: String| Some(text).filter(|text| !text.is_empty());
            // A script on the page may have set these for this time.
            page.header = page.header.take().or_else(|| filled(header));
            page.description = page.description.take().or_else(|| filled(description));
            page.stage = page.stage.take().or(config.stage);
            return send(shown.concat());
        }
        step.state.remove(ASKED);
        left_by.map_or_else(|| Err(NodeError::Config("only metadata is left to ask".to_owned())), goto)
    }
}

/// The answered callbacks of each child.
fn submitted(step: &Step<'_>, children: usize) -> Vec<Vec<Callback>> {
    let mut by_child = vec![Vec::new(); children];
    let Some(Value::Object(owners)) = step.state.shared.get(ASKED) else { return by_child };
    for (index, callback) in step.callbacks.iter().enumerate() {
        let owner =
            owners.get(&index.to_string()).and_then(Value::as_u64).and_then(|owner| usize::try_from(owner).ok());
        if let Some(own) = owner.and_then(|owner| by_child.get_mut(owner)) {
            own.push(callback.clone());
        }
    }
    by_child
}

/// A page that is shown again keeps what was typed, but does not send passwords back.
fn forget_secrets(callbacks: &mut [Callback]) {
    for callback in callbacks {
        if matches!(callback.kind(), CallbackType::PasswordCallback | CallbackType::ValidatedCreatePasswordCallback) {
            // The empty text is always a valid answer.
            let _ = callback.answer("", json!(""));
        }
    }
}
