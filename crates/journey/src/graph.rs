//! A journey as a picture: DOT for tools that lay out themselves, SVG laid out here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use crate::journey::{FAILURE_NODE, Journey, NodeSpec, SUCCESS_NODE};
use crate::mail::escape;

const WIDTH: usize = 200;
const LINE: usize = 16;
const GAP_X: usize = 110;
const GAP_Y: usize = 28;
const MARGIN: usize = 24;
const MAX_LABEL: usize = 28;

/// The journey for Graphviz.
pub fn dot(journey: &Journey) -> String {
    let mut out = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", quoted(&journey.name));
    let _ = writeln!(out, "  start [shape=circle, label=\"\"];\n  start -> {};", quoted(&journey.entry));
    for (id, label) in [(SUCCESS_NODE, "Success"), (FAILURE_NODE, "Failure")] {
        let _ = writeln!(out, "  {} [shape=oval, label=\"{label}\"];", quoted(id));
    }
    for id in journey.reachable(&journey.entry) {
        let Some(node) = journey.nodes.get(id) else { continue };
        let style = if known(node) { "" } else { ", style=dashed" };
        let _ = writeln!(out, "  {} [label={}{style}];", quoted(id), quoted(&lines(node).join("\n")));
        for (outcome, target) in &node.connections {
            let _ = writeln!(out, "  {} -> {} [label={}];", quoted(id), quoted(target), quoted(outcome));
        }
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    let part = |part: &str| shown(part).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.split('\n').map(part).collect::<Vec<_>>().join("\\n"))
}

/// On one line, without what XML cannot hold and what would steer the terminal that it is printed to.
fn shown(text: &str) -> String {
    let letter = |letter: char| match letter {
        '\n' | '\r' | '\t' => ' ',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        odd if odd.is_control() => '\u{fffd}',
        letter => letter,
    };
    text.chars().map(letter).collect()
}

fn known(node: &NodeSpec) -> bool {
    node.with_children().all(|part| part.node_type.is_some())
}

/// What stands in a node's box: its name, its type, the children of a page.
fn lines(node: &NodeSpec) -> Vec<String> {
    let short = |text: &str| match text.char_indices().nth(MAX_LABEL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    };
    let kind = node.type_id.strip_suffix("Node").unwrap_or(&node.type_id);
    let mut lines = vec![short(if node.display_name.is_empty() { kind } else { &node.display_name })];
    lines.push(short(kind));
    lines.extend(node.children.iter().map(|child| {
        let name = if child.display_name.is_empty() { &child.type_id } else { &child.display_name };
        short(&format!("· {name}"))
    }));
    lines
}

struct Placed {
    x: usize,
    y: usize,
    height: usize,
    lines: Vec<String>,
    class: &'static str,
}

/// The journey as an SVG document: columns by distance from the entry, edges that lead back drawn below.
pub fn svg(journey: &Journey) -> String {
    let columns = columns(journey);
    let mut placed: BTreeMap<&str, Placed> = BTreeMap::new();
    let mut bottom = 0;
    for (column, ids) in columns.iter().enumerate() {
        let mut y = MARGIN;
        for id in ids {
            let (lines, class) = match journey.nodes.get(*id) {
                Some(node) => (lines(node), if known(node) { "node" } else { "node unknown" }),
                None if id.eq_ignore_ascii_case(SUCCESS_NODE) => (vec!["Success".to_owned()], "node success"),
                None if id.eq_ignore_ascii_case(FAILURE_NODE) => (vec!["Failure".to_owned()], "node failure"),
                None => (vec!["missing".to_owned(), (*id).to_owned()], "node unknown"),
            };
            let height = lines.len() * LINE + 12;
            placed.insert(id, Placed { x: MARGIN + column * (WIDTH + GAP_X), y, height, lines, class });
            y += height + GAP_Y;
        }
        bottom = bottom.max(y);
    }
    let mut body = String::new();
    let mut lane = bottom;
    for (id, from) in &placed {
        let Some(node) = journey.nodes.get(*id) else { continue };
        let count = node.connections.len().max(1);
        for (position, (outcome, target)) in node.connections.iter().enumerate() {
            let Some(to) = placed.get(target.as_str()) else { continue };
            let (x1, y1) = (from.x + WIDTH, from.y + from.height * (position + 1) / (count + 1));
            let (x2, y2) = (to.x, to.y + to.height / 2);
            let path = if x2 > x1 {
                let bend = GAP_X / 2;
                format!("M{x1} {y1} C{} {y1} {} {y2} {x2} {y2}", x1 + bend, x2 - bend)
            } else {
                lane += 14;
                let (right, left) = (x1 + 30, x2.saturating_sub(18));
                format!("M{x1} {y1} H{right} V{lane} H{left} V{y2} H{x2}")
            };
            let _ = writeln!(body, "<path class=\"edge\" d=\"{path}\" marker-end=\"url(#tip)\"/>");
            let _ = writeln!(
                body,
                "<text class=\"outcome\" x=\"{}\" y=\"{}\">{}</text>",
                x1 + 4,
                y1 - 4,
                escape(&shown(outcome))
            );
        }
    }
    for place in placed.values() {
        let Placed { x, y, height, class, .. } = place;
        let _ = writeln!(
            body,
            "<g class=\"{class}\"><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>"
        );
        for (line, text) in place.lines.iter().enumerate() {
            let weight = if line == 0 { " class=\"name\"" } else { "" };
            let _ = writeln!(
                body,
                "<text{weight} x=\"{}\" y=\"{}\">{}</text>",
                x + 10,
                y + (line + 1) * LINE,
                escape(&shown(text))
            );
        }
        body.push_str("</g>\n");
    }
    let width = MARGIN * 2 + columns.len().max(1) * (WIDTH + GAP_X);
    let height = lane + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0 L8 4 L0 8 z\"/></marker></defs>\n{body}</svg>\n",
        escape(&shown(&journey.name))
    )
}

const STYLE: &str = "text{font:12px sans-serif;fill:#1f2933}.name{font-weight:600}.outcome{font-size:10px;fill:#52606d}\
rect{fill:#fff;stroke:#52606d}.unknown rect{stroke-dasharray:5 4;stroke:#b44d12}.success rect{fill:#e3f9e5;stroke:#207227}\
.failure rect{fill:#ffe3e3;stroke:#ab091e}.edge{fill:none;stroke:#829ab1}#tip path{fill:#829ab1}";

/// The nodes by their distance from the entry, the two ends last. Within a column they stand by where their
/// predecessors stand, so that few edges cross.
fn columns(journey: &Journey) -> Vec<Vec<&str>> {
    let is_end = |id: &str| id.eq_ignore_ascii_case(SUCCESS_NODE) || id.eq_ignore_ascii_case(FAILURE_NODE);
    let mut columns: Vec<Vec<&str>> = Vec::new();
    let mut ends = BTreeSet::new();
    let mut seen = BTreeSet::from([journey.entry.as_str()]);
    let mut open = VecDeque::from([(journey.entry.as_str(), 0)]);
    while let Some((id, depth)) = open.pop_front() {
        if is_end(id) {
            ends.insert(id);
            continue;
        }
        // Breadth first: it is in the last column or in the next.
        match columns.get_mut(depth) {
            Some(column) => column.push(id),
            None => columns.push(vec![id]),
        }
        for target in journey.nodes.get(id).into_iter().flat_map(|node| node.connections.values()) {
            if seen.insert(target) {
                open.push_back((target, depth + 1));
            }
        }
    }
    for depth in 1..columns.len() {
        let (before, after) = columns.split_at_mut(depth);
        let (Some(previous), Some(column)) = (before.last(), after.first_mut()) else { continue };
        let place = |id: &str| {
            let leads =
                |from: &&str| journey.nodes.get(*from).is_some_and(|node| node.connections.values().any(|to| to == id));
            let positions: Vec<usize> =
                previous.iter().enumerate().filter(|(_, from)| leads(from)).map(|(position, _)| position).collect();
            // In thousandths: the mean of small numbers, without floating point.
            positions.iter().sum::<usize>() * 1000 / positions.len().max(1)
        };
        column.sort_by_key(|id| place(id));
    }
    if !ends.is_empty() {
        let mut last: Vec<&str> = ends.into_iter().collect();
        last.sort_by_key(|id| id.eq_ignore_ascii_case(FAILURE_NODE));
        columns.push(last);
    }
    columns
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Journey, Library, Variables, import};

    fn journey(name: &str) -> Journey {
        let export = json!({"trees": {name: {"tree": {
            "entryNodeId": "a",
            "nodes": {
                "a": {"nodeType": "UsernameCollectorNode", "displayName": "<Name> & \"more\"", "connections": {"outcome": "b"}},
                "b": {"nodeType": "Odd", "displayName": "Odd", "connections":
                    {"again": "a", "gone": "c", "yes": crate::SUCCESS_NODE, "no": crate::FAILURE_NODE}},
            },
        }}}});
        let mut library = Library::new();
        library.add(&import::from_json(&export.to_string()).unwrap(), &Variables::default());
        Journey::clone(library.journey(name).unwrap())
    }

    fn journey_named_oddly() -> Journey {
        journey("\u{1b}]0;title\u{7}\u{0}\u{9b}31m")
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        let journey = journey("</svg><script>alert(1)</script>");
        let svg = super::svg(&journey);
        assert!(!svg.contains("<script>") && svg.contains("&lt;Name&gt; &amp; &quot;more&quot;"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 5, "{svg}");
        assert_eq!(svg.matches("class=\"edge\"").count(), 5, "{svg}");
        let odd = journey_named_oddly();
        for drawn in [super::svg(&odd), super::dot(&odd)] {
            assert!(!drawn.chars().any(|letter| letter.is_control() && letter != '\n'), "{drawn:?}");
        }
        let dot = super::dot(&journey);
        assert!(dot.contains("label=\"<Name> & \\\"more\\\"\\nUsernameCollector\""), "{dot}");
        assert!(dot.contains("style=dashed"), "{dot}");
    }
}
