//! Cache marks.

use super::is_blank;
use crate::exchange::{Ask, Block, CacheMark, Tool};
use crate::member::write::{key, string_member};

/// Most cache breakpoints of a request (Anthropic's guide to prompt caching, 2026-11).
const CACHE_MARKS_MAX: usize = 4;

/// How many marks have to be left out, counted from the front. The automatic one counts too.
pub(super) fn marks_to_skip(ask: &Ask<'_>) -> usize {
    let tools = ask
        .tools
        .iter()
        .filter(|tool| matches!(tool, Tool::Function(function) if function.cache.is_some()));
    let blocks = ask
        .system
        .iter()
        .chain(ask.turns.iter().flat_map(|turn| &turn.blocks))
        .filter(|block| is_marked(block));
    let most = CACHE_MARKS_MAX - usize::from(ask.cache.is_some());
    (tools.count() + blocks.count()).saturating_sub(most)
}

fn is_marked(block: &Block<'_>) -> bool {
    match block {
        Block::Text(text) => text.cache.is_some() && !is_blank(&text.text),
        Block::Image { cache, .. } | Block::File { cache, .. } => cache.is_some(),
        Block::ToolCall(call) => call.cache.is_some(),
        Block::ToolResult(result) => result.cache.is_some() || result.blocks.iter().any(is_marked),
        _ => false,
    }
}

pub(super) fn cache_member(mark: &CacheMark<'_>, out: &mut Vec<u8>) {
    key("cache_control", out);
    out.extend_from_slice(b"{\"type\":\"ephemeral\"");
    if let Some(ttl) = mark
        .ttl
        .as_deref()
        .filter(|ttl| matches!(*ttl, "5m" | "1h"))
    {
        string_member("ttl", ttl, out);
    }
    out.push(b'}');
}
