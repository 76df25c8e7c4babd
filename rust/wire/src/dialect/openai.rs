//! OpenAI's chat completions as a protocol of providers, and the embeddings beside it.
//!
//! Nearly everybody speaks it, and nearly everybody speaks it a little differently. How a request has to differ is said by
//! [`crate::dialect::Quirks`]; answers are read so that all the differences that are known mean the same.

mod answer;
mod embed;
mod stream;
mod write;

pub(crate) use answer::read_answer;
pub(crate) use embed::{read_embed, write_embed};
pub(crate) use stream::Reader;
pub(crate) use write::{has_newest_words, write, write_wish};

#[cfg(test)]
mod tests {
    //! Both sides of this protocol through the middle shape, which no client sees, because such requests and answers pass.

    use super::*;
    use crate::answer::Serving;
    use crate::api::{self, Api, StreamWriter};
    use crate::dialect::{Dialect, Quirks, ReasoningWords, StreamReader, Target};
    use crate::sse::Frame;
    use crate::stream::StreamFault;
    use serde_json::{Value, json};

    const SERVING: Serving<'static> = Serving::example(Api::Chat);

    const ROUTED: Quirks = Quirks {
        reasoning: ReasoningWords::Object,
        ..Quirks::OPENAI
    };

    /// The body for a provider with these quirks.
    fn sent(body: &Value, quirks: &Quirks) -> Value {
        let text = body.to_string();
        let ask = api::read(Api::Chat, &text, false).unwrap();
        let target = Target {
            quirks,
            ..Target::new(Dialect::OpenAi, "up/m")
        };
        let mut out = Vec::new();
        write(&ask, &target, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    fn refused(body: &Value, quirks: &Quirks) -> String {
        let text = body.to_string();
        let target = Target {
            quirks,
            ..Target::new(Dialect::OpenAi, "up/m")
        };
        let written = api::read(Api::Chat, &text, false)
            .and_then(|ask| write(&ask, &target, &mut Vec::new()));
        written.unwrap_err().message.into_owned()
    }

    /// Chunks read and written again, without the envelope.
    fn streamed(chunks: &[Value]) -> Result<Vec<Value>, StreamFault> {
        let mut reader = Reader::default();
        let mut writer = api::chat::Writer::new(&SERVING);
        let mut out = Vec::new();
        for chunk in chunks {
            let data = chunk.to_string();
            let frame = Frame {
                name: "",
                data: data.as_bytes(),
            };
            reader.frame(frame, &mut |event| writer.event(&event, &SERVING, &mut out))?;
        }
        reader.close(&mut |event| writer.event(&event, &SERVING, &mut out));
        let text = String::from_utf8(out).unwrap();
        Ok(text
            .split_terminator("\n\n")
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect())
    }

    fn delta(delta: Value) -> Value {
        json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    }

    /// Calls put together as a client does it: id, name, arguments.
    fn assembled(chunks: &[Value]) -> Vec<(String, String, String)> {
        let mut calls: Vec<(String, String, String)> = Vec::new();
        for chunk in chunks {
            let pieces = chunk["choices"][0]["delta"]["tool_calls"].as_array();
            for piece in pieces.into_iter().flatten() {
                let index = piece["index"].as_u64().unwrap() as usize;
                let arguments = piece["function"]["arguments"].as_str().unwrap();
                if index == calls.len() {
                    calls.push((
                        piece["id"].as_str().unwrap().to_owned(),
                        piece["function"]["name"].as_str().unwrap().to_owned(),
                        String::new(),
                    ));
                }
                calls[index].2.push_str(arguments);
            }
        }
        calls
    }

    fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.to_owned(), name.to_owned(), arguments.to_owned())
    }

    #[test]
    fn a_request_comes_back_as_it_was() {
        let body = json!({
            "model": "up/m",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "name": "ann", "content": [
                    {"type": "text", "text": "t\n"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                ]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1.50}"}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "r1"},
                {"role": "tool", "tool_call_id": "c2", "content": "r2"},
                {"role": "assistant", "content": "prefill"},
            ],
            "max_completion_tokens": 5,
            "temperature": 0.5, "top_p": 0.9, "seed": 1, "logit_bias": {"5": -100},
            "prediction": {"type": "content", "content": "p"},
            "stop": ["a", "b"],
            "logprobs": true, "top_logprobs": 2,
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": false,
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}},
            "reasoning_effort": "high", "verbosity": "low",
            "modalities": ["text", "audio"], "audio": {"voice": "v", "format": "mp3"},
            "service_tier": "flex", "prompt_cache_key": "k",
        });
        assert_eq!(sent(&body, &Quirks::OPENAI), body);
    }

    #[test]
    fn q01_what_was_not_said_is_not_sent() {
        let body = json!({"model": "up/m", "messages": [{"role": "user", "content": "u"}]});
        assert_eq!(sent(&body, &Quirks::OPENAI), body);
    }

    #[test]
    fn quirks_choose_the_words() {
        let quirks = Quirks {
            stream_usage: false,
            max_tokens: crate::dialect::MaxTokens::MaxTokens,
            developer_role: false,
            reasoning: ReasoningWords::Thinking,
            parallel_tool_calls: false,
            tool_choice_required: crate::dialect::RequiredWord::Any,
            json_schema: false,
            image_urls: false,
        };
        let body = json!({
            "messages": [
                {"role": "user", "content": "u"},
                {"role": "developer", "content": "d"},
                {"role": "assistant", "content": "a", "reasoning": "thought"},
                {"role": "user", "content": "v"},
            ],
            "max_completion_tokens": 9, "reasoning_effort": "low", "parallel_tool_calls": true,
            "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required",
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        });
        let sent = sent(&body, &quirks);
        assert_eq!(sent["max_tokens"], 9);
        assert_eq!(sent["thinking"], json!({"type": "enabled"}));
        assert_eq!(sent["tool_choice"], "any");
        assert_eq!(sent["response_format"], json!({"type": "json_object"}));
        assert_eq!(sent["parallel_tool_calls"], Value::Null);
        let messages = &sent["messages"];
        assert_eq!(messages[0]["role"], "system");
        assert!(
            messages[0]["content"]
                .as_str()
                .unwrap()
                .contains("{\"type\":\"object\"}")
        );
        assert_eq!(messages[2]["role"], "system");
        assert_eq!(messages[3]["reasoning_content"], "thought");
        let image = json!({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]}]});
        assert!(refused(&image, &quirks).contains("an image's address"));
    }

    #[test]
    fn c16_details_of_thought_come_back_as_they_were() {
        let details = json!([
            {"type": "reasoning.text", "text": "a\n", "signature": "s", "id": "i", "format": "anthropic-claude-v1", "index": 0},
            {"type": "reasoning.summary", "summary": "b", "format": "openai-responses-v1", "index": 1},
            {"type": "reasoning.encrypted", "data": "c", "id": "call", "format": "google-gemini-v1", "index": 2},
        ]);
        let body = json!({"messages": [
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": null, "reasoning": "a\nb", "reasoning_details": details,
             "tool_calls": [{"id": "call", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call", "content": "r"},
        ]});
        assert_eq!(
            sent(&body, &ROUTED)["messages"][1]["reasoning_details"],
            details
        );
        assert_eq!(
            sent(&body, &Quirks::OPENAI)["messages"][1]["reasoning_details"],
            Value::Null
        );
    }

    #[test]
    fn cache_breakpoints_go_where_they_are_understood() {
        let body = json!({"messages": [
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "user", "content": [{"type": "text", "text": "u", "prompt_cache_breakpoint": {"mode": "explicit"}}]},
        ]});
        let routed = sent(&body, &ROUTED);
        assert_eq!(
            routed["messages"][0]["content"][0]["cache_control"],
            json!({"type": "ephemeral", "ttl": "1h"})
        );
        assert_eq!(
            routed["messages"][1]["content"][0]["cache_control"],
            json!({"type": "ephemeral"})
        );
        let plain = sent(&body, &Quirks::OPENAI);
        assert_eq!(plain["messages"][0]["content"], "s");
        assert_eq!(plain["messages"][1]["content"], "u");
    }

    #[test]
    fn images_of_results_follow_all_results() {
        let body = json!({"messages": [
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/"}}]},
            {"role": "tool", "tool_call_id": "c2", "content": "r"},
            {"role": "user", "content": "u"},
        ]});
        let sent = sent(&body, &Quirks::OPENAI);
        let roles: Vec<_> = sent["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["role"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["assistant", "tool", "tool", "user"]);
        assert_eq!(sent["messages"][3]["content"][0]["type"], "image_url");
        assert_eq!(sent["messages"][3]["content"][1]["text"], "u");
    }

    #[test]
    fn a_tool_that_takes_text_is_offered_as_a_function() {
        let body = json!({
            "messages": [
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "a\"b"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "r"},
            ],
            "tools": [{"type": "custom", "custom": {"name": "patch", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}}],
        });
        let sent = sent(&body, &Quirks::OPENAI);
        assert_eq!(
            sent["tools"][0]["function"]["parameters"]["required"],
            json!(["input"])
        );
        assert!(
            sent["tools"][0]["function"]["description"]
                .as_str()
                .unwrap()
                .contains("lark")
        );
        let call = &sent["messages"][1]["tool_calls"][0]["function"];
        assert_eq!(call["arguments"], "{\"input\":\"a\\\"b\"}");
    }

    #[test]
    fn a_search_is_asked_for_where_it_is_known() {
        let body = json!({"messages": [{"role": "user", "content": "u"}], "tools": [{"type": "web_search_preview"}]});
        assert_eq!(sent(&body, &Quirks::OPENAI).get("web_search_options"), None);
        let text = body.to_string();
        let ask = api::read(Api::Chat, &text, false).unwrap();
        let target = Target {
            parameters: Some(["web_search_options"].into_iter().collect()),
            ..Target::new(Dialect::OpenAi, "up/m")
        };
        let mut out = Vec::new();
        write(&ask, &target, &mut out).unwrap();
        let sent: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(sent["web_search_options"], json!({}));
        let other = json!({"messages": [], "tools": [{"type": "code_interpreter"}]});
        assert!(refused(&other, &Quirks::OPENAI).contains("code_interpreter"));
    }

    #[test]
    fn a_streamed_answer_comes_back_as_it_was() {
        let chunks = [
            delta(
                json!({"role": "assistant", "content": "", "reasoning": "a", "reasoning_details": [
                {"type": "reasoning.text", "text": "a", "format": "unknown", "index": 0}]}),
            ),
            delta(json!({"role": "assistant", "content": "b\n"})),
            delta(
                json!({"role": "assistant", "content": "", "annotations": [{"type": "url_citation", "url_citation":
                {"url": "u", "title": "t", "content": "c", "start_index": 0, "end_index": 1}}]}),
            ),
            delta(json!({"role": "assistant", "content": "", "images": [
                {"index": 0, "type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]})),
            delta(json!({"role": "assistant", "content": null, "audio": {"id": "au"}})),
            delta(
                json!({"role": "assistant", "content": null, "audio": {"data": "AAAA", "transcript": "x"}}),
            ),
            delta(json!({"role": "assistant", "content": null, "refusal": "no"})),
        ];
        let written = streamed(&chunks).unwrap();
        let deltas = |chunks: &[Value]| -> Vec<Value> {
            chunks
                .iter()
                .map(|chunk| chunk["choices"][0]["delta"].clone())
                .collect()
        };
        assert_eq!(deltas(&written), deltas(&chunks));
    }

    #[test]
    fn c08_calls_in_any_form_are_put_together() {
        let head = |index: Value, id: Value, name: Value, arguments: &str| {
            delta(
                json!({"tool_calls": [{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}]}),
            )
        };
        let none = || Value::Null;
        // Gaps between indexes, and pieces in turns.
        let gaps = [
            head(json!(1), json!("a"), json!("f"), ""),
            head(json!(5), json!("b"), json!("g"), ""),
            head(json!(1), none(), none(), "{\"x\":"),
            head(json!(5), none(), none(), "{}"),
            head(json!(1), none(), none(), "\"}\"}"),
        ];
        // The same index for all, told apart by ids; the name in every piece.
        let same = [
            head(json!(0), json!("a"), json!("f"), "{\"x\":"),
            head(json!(0), json!("a"), json!("f"), "\"}\"}"),
            head(json!(0), json!("b"), json!("g"), "{}"),
        ];
        // No index at all.
        let bare = [
            head(none(), json!("a"), json!("f"), "{\"x\":\"}\"}"),
            head(none(), json!("b"), json!("g"), ""),
        ];
        for chunks in [gaps.as_slice(), &same, &bare] {
            assert_eq!(
                assembled(&streamed(chunks).unwrap()),
                [call("a", "f", "{\"x\":\"}\"}"), call("b", "g", "{}")]
            );
        }
        // No ids, and the name after the arguments.
        let anonymous = [
            head(json!(0), none(), none(), "{\"x\""),
            head(json!(0), none(), json!("f"), ":1}"),
            head(json!(1), none(), json!("g"), ""),
        ];
        assert_eq!(
            assembled(&streamed(&anonymous).unwrap()),
            [
                call("call_c_0", "f", "{\"x\":1}"),
                call("call_c_1", "g", "{}")
            ]
        );
        let first_way = [
            delta(json!({"function_call": {"name": "f", "arguments": "{"}})),
            delta(json!({"function_call": {"arguments": "}"}})),
        ];
        assert_eq!(
            assembled(&streamed(&first_way).unwrap()),
            [call("call_c_0", "f", "{}")]
        );
    }

    #[test]
    fn thought_has_many_names() {
        for thought in [
            json!({"reasoning": "t"}),
            json!({"reasoning_content": "t", "content": ""}),
            json!({"reasoning": "t", "reasoning_content": "t"}),
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}]}),
        ] {
            let written =
                streamed(&[delta(thought.clone()), delta(json!({"content": "x"}))]).unwrap();
            assert_eq!(written.len(), 2, "{thought}");
            assert_eq!(written[0]["choices"][0]["delta"]["reasoning"], "t");
            assert_eq!(written[1]["choices"][0]["delta"]["content"], "x");
            let mut message = thought.clone();
            let text = json!({"choices": [{"message": message.take()}]}).to_string();
            let answer = read_answer(&text).unwrap();
            let thoughts = answer.blocks.iter().filter(|block| {
                matches!(block, crate::exchange::Block::Thought(thought) if thought.text == "t")
            });
            assert_eq!(thoughts.count(), 1, "{text}");
        }
    }

    #[test]
    fn an_error_in_a_stream_is_one() {
        let fault = streamed(&[json!({"error": {"code": 429, "message": "busy"}})]).unwrap_err();
        assert!(
            matches!(&fault, StreamFault::ErrorInside { status: Some(429), message, .. } if message == "busy")
        );
        assert!(matches!(
            streamed(&[json!([])]),
            Err(StreamFault::Malformed { .. })
        ));
    }

    #[test]
    fn usage_is_found_wherever_it_stands() {
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
        for chunk in [
            json!({"choices": [], "usage": usage}),
            json!({"choices": [{"delta": {}, "usage": usage}]}),
            json!({"choices": [], "x_groq": {"usage": usage}}),
        ] {
            let mut reader = Reader::default();
            let mut found = None;
            for data in [
                chunk.to_string(),
                // A placeholder after it changes nothing.
                json!({"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}})
                    .to_string(),
            ] {
                let frame = Frame {
                    name: "",
                    data: data.as_bytes(),
                };
                reader
                    .frame(frame, &mut |event| {
                        if let crate::exchange::Event::Usage(usage) = event {
                            found = Some(usage.total);
                        }
                    })
                    .unwrap();
            }
            assert_eq!(found, Some(5), "{chunk}");
        }
    }
}
