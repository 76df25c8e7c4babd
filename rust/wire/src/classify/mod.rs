//! What a request is about, told from its body alone: for routers that choose a model by the task.
//!
//! No network, no model, no state: [`Seen`] walks the body once and keeps a sample of the last thing that the user said and what
//! stands beside it (tools, a schema, pictures, the size); [`classify`] looks for the words and shapes of [`words`] in the sample. The
//! sample is bounded ([`SAMPLE_HEAD_MAX`], [`SAMPLE_TAIL_MAX`]), so that a long conversation costs its walk and nothing more.
//!
//! It is a guess and says how sure it is. Where nothing speaks for a task there is none, and the router takes its default: a wrong
//! guess costs a model that is less apt, never a failure. A small model can be asked for a better one: [`judge`].

pub mod judge;
mod seen;
mod words;

pub use seen::{SAMPLE_HEAD_MAX, SAMPLE_TAIL_MAX, SYSTEM_MAX, Script, Seen};

use words::{Hit, WORDS};

/// What is asked for. The names are of OpenRouter's kind: a field, and what is done in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// A fault is looked for.
    CodeDebugging,
    /// Code is written or changed.
    CodeGeneration,
    /// Code is explained or judged.
    CodeReview,
    /// A program works on code by itself, with tools.
    AgentCoding,
    /// A program works on something else by itself, with tools.
    AgentTools,
    /// Calculation and proof.
    Math,
    /// Prose and verse.
    Writing,
    /// From one language into another.
    Translation,
    /// Something long is made short.
    Summarization,
    /// Facts are taken out of a text, or it is put into a class or a form.
    Extraction,
    /// A picture is looked at.
    Vision,
    /// A question about very much text.
    LongContext,
    /// A question of fact or advice.
    Question,
    /// Small talk.
    Chat,
}

impl Task {
    /// All of them, for tables and tests.
    pub const ALL: [Task; 14] = [
        Task::CodeDebugging,
        Task::CodeGeneration,
        Task::CodeReview,
        Task::AgentCoding,
        Task::AgentTools,
        Task::Math,
        Task::Writing,
        Task::Translation,
        Task::Summarization,
        Task::Extraction,
        Task::Vision,
        Task::LongContext,
        Task::Question,
        Task::Chat,
    ];

    /// The name in metadata and in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Task::CodeDebugging => "code:debugging",
            Task::CodeGeneration => "code:generation",
            Task::CodeReview => "code:review",
            Task::AgentCoding => "agent:coding",
            Task::AgentTools => "agent:tool_use",
            Task::Math => "math",
            Task::Writing => "writing",
            Task::Translation => "translation",
            Task::Summarization => "summarization",
            Task::Extraction => "extraction",
            Task::Vision => "vision",
            Task::LongContext => "long_context",
            Task::Question => "question",
            Task::Chat => "chat",
        }
    }

    /// What of a model counts for it.
    pub const fn field(self) -> Field {
        match self {
            Task::CodeDebugging | Task::CodeGeneration | Task::CodeReview => Field::Coding,
            Task::AgentCoding | Task::AgentTools => Field::Agentic,
            _ => Field::Intelligence,
        }
    }

    /// How much thought it mostly needs.
    const fn demand(self) -> Demand {
        match self {
            Task::CodeDebugging | Task::AgentCoding | Task::Math => Demand::High,
            Task::Translation | Task::Summarization | Task::Extraction | Task::Chat => Demand::Low,
            _ => Demand::Medium,
        }
    }
}

/// The three measures of a model in OpenRouter's `benchmarks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// General knowledge and reasoning.
    Intelligence,
    /// Programming.
    Coding,
    /// Work over many steps with tools.
    Agentic,
}

/// How much thought a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Demand {
    /// Any able model does it.
    Low,
    /// The better the model, the better the answer.
    Medium,
    /// It takes reasoning.
    High,
}

impl Demand {
    /// The name in metadata.
    pub const fn name(self) -> &'static str {
        match self {
            Demand::Low => "low",
            Demand::Medium => "medium",
            Demand::High => "high",
        }
    }
}

/// What was made of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    /// `None`: nothing speaks for any task.
    pub task: Option<Task>,
    /// Percent; 0 without a task.
    pub confidence: u8,
    /// By the task, the words and the wish for reasoning.
    pub demand: Demand,
}

/// Less than this is no sign of a task.
const SCORE_MIN: u32 = 2;

/// A greeting has not more bytes than this.
const GREETING_BYTES_MAX: u64 = 60;

/// A text of so many bytes is long for a model: some fifty thousand tokens.
pub const LONG_BYTES: u64 = 200_000;

/// A question with a demand for thought has so many bytes at least.
const SHORT_BYTES: u64 = 160;

/// Guesses the task.
pub fn classify(seen: &Seen) -> Guess {
    let mut scores = [0u32; Task::ALL.len()];
    let mut add = |task: Task, weight: u32| scores[task as usize] += weight;
    let text = &seen.sample().to_lowercase();
    let mut thinks = false;
    for row in WORDS {
        // The same thing said in three ways is one sign and a bit.
        let mut hits = 0;
        let is_greeting = matches!(row.hit, Hit::Greeting);
        for word in row.words {
            // One greets at the beginning.
            if words::stands_in(text, word)
                && (!is_greeting || text.starts_with(word.trim_end_matches('*')))
            {
                hits += 1;
                if hits == HITS_MAX {
                    break;
                }
            }
        }
        if hits == 0 {
            continue;
        }
        let weight = row.weight + (hits - 1);
        match row.hit {
            Hit::Task(task) => add(task, weight),
            Hit::Greeting if seen.text_bytes <= GREETING_BYTES_MAX => add(Task::Chat, weight),
            Hit::Greeting => {}
            Hit::Thought => thinks = true,
        }
    }
    let shape = words::shape(text);
    if shape.fenced {
        add(Task::CodeReview, 2);
        add(Task::CodeGeneration, 1);
    }
    if shape.diff {
        add(Task::CodeReview, 5);
    }
    if shape.code_lines >= 2 {
        add(Task::CodeReview, 2);
        add(Task::CodeDebugging, 1);
    }
    add(Task::Math, shape.sums.min(3) * 2);
    if shape.asks {
        add(Task::Question, 2);
    }
    if seen.image_last {
        add(Task::Vision, 6);
    }
    if seen.schema {
        add(Task::Extraction, 3);
    }
    if seen.body_bytes >= LONG_BYTES && !seen.image_last {
        add(Task::LongContext, 6);
    }
    // An agent's work is told by what it may do, whatever it has been told to do.
    if seen.code_tools {
        add(Task::AgentCoding, 12);
    } else if seen.tools {
        add(Task::AgentTools, 6);
    }

    let mut order = Task::ALL;
    order.sort_by_key(|task| std::cmp::Reverse(scores[*task as usize]));
    let (first, second) = (order[0], order[1]);
    let (top, next) = (scores[first as usize], scores[second as usize]);
    let task = (top >= SCORE_MIN).then_some(first);
    let confidence = match task {
        Some(_) => u8::try_from(100 * top / (top + next + 2)).unwrap_or(100),
        None => 0,
    };
    let mut demand = task.map_or(Demand::Medium, Task::demand);
    if thinks || seen.reasoning == Some(true) {
        demand = Demand::High;
    } else if seen.reasoning == Some(false) && demand == Demand::High {
        demand = Demand::Medium;
    } else if task == Some(Task::Question) && seen.text_bytes < SHORT_BYTES {
        demand = Demand::Low;
    }
    Guess {
        task,
        confidence,
        demand,
    }
}

/// Words of one row that count.
const HITS_MAX: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Guess {
        classify(&Seen::of(body))
    }

    fn of_prompt(prompt: &str) -> Guess {
        of(&serde_json::json!({"messages": [{"role": "user", "content": prompt}]}).to_string())
    }

    /// Prompts of our own, and what they are.
    const GOLDEN: &[(&str, Option<Task>)] = &[
        ("Hello!", Some(Task::Chat)),
        ("hi there, how are you?", Some(Task::Chat)),
        ("Thanks a lot", Some(Task::Chat)),
        ("Guten Tag", Some(Task::Chat)),
        ("你好", Some(Task::Chat)),
        ("Привет!", Some(Task::Chat)),
        (
            "Write a Python function that merges two sorted lists",
            Some(Task::CodeGeneration),
        ),
        ("Implement an LRU cache in Rust", Some(Task::CodeGeneration)),
        (
            "Create a React component with a search box and a table",
            Some(Task::CodeGeneration),
        ),
        (
            "I need a SQL query for the ten customers with the largest orders",
            Some(Task::CodeGeneration),
        ),
        (
            "Write a regex that matches ISO dates",
            Some(Task::CodeGeneration),
        ),
        (
            "Refactor this class to use dependency injection",
            Some(Task::CodeGeneration),
        ),
        (
            "Write unit tests for the payment module in TypeScript",
            Some(Task::CodeGeneration),
        ),
        (
            "Schreibe eine Python-Funktion, die Primzahlen ausgibt",
            Some(Task::CodeGeneration),
        ),
        (
            "Bash script to rotate logs older than 7 days",
            Some(Task::CodeGeneration),
        ),
        (
            "Traceback (most recent call last):\n  File \"a.py\", line 3\nKeyError: 'x'",
            Some(Task::CodeDebugging),
        ),
        (
            "Why does this code crash with a segmentation fault?",
            Some(Task::CodeDebugging),
        ),
        (
            "error[E0502]: cannot borrow `v` as mutable",
            Some(Task::CodeDebugging),
        ),
        (
            "My test fails with AssertionError, can you find the bug in it?",
            Some(Task::CodeDebugging),
        ),
        (
            "TypeError: Cannot read properties of undefined (reading 'map')",
            Some(Task::CodeDebugging),
        ),
        (
            "Fix this bug: the loop never ends\n```js\nfor (;;) {}\n```",
            Some(Task::CodeDebugging),
        ),
        (
            "The program panicked at src/main.rs:12, index out of bounds",
            Some(Task::CodeDebugging),
        ),
        ("Please review this pull request", Some(Task::CodeReview)),
        (
            "diff --git a/x.rs b/x.rs\n--- a/x.rs\n+++ b/x.rs\n@@ -1 +1 @@\n-a\n+b",
            Some(Task::CodeReview),
        ),
        (
            "What does this function do?\n```c\nint f(int a) { return a & -a; }\n```",
            Some(Task::CodeReview),
        ),
        (
            "Explain this code:\ndef f(x):\n    return x[::-1];\nprint(f('a'));",
            Some(Task::CodeReview),
        ),
        ("Solve the equation 3x + 5 = 20", Some(Task::Math)),
        ("What is 17 * 24 + 3?", Some(Task::Math)),
        (
            "Prove that the square root of 2 is irrational",
            Some(Task::Math),
        ),
        ("Compute the integral of x^2 from 0 to 3", Some(Task::Math)),
        (
            "What is the probability of two sixes with two dice?",
            Some(Task::Math),
        ),
        ("Find \\frac{d}{dx} of \\sin(x)", Some(Task::Math)),
        (
            "How many ways are there to seat five people at a round table?",
            Some(Task::Math),
        ),
        ("Berechne die Ableitung von sin(x)", Some(Task::Math)),
        (
            "Write a short story about a lighthouse keeper",
            Some(Task::Writing),
        ),
        ("Compose a poem about autumn", Some(Task::Writing)),
        (
            "Draft a cover letter for a nursing position",
            Some(Task::Writing),
        ),
        (
            "Rewrite this paragraph so that it sounds more formal",
            Some(Task::Writing),
        ),
        ("Give me a slogan for a bakery", Some(Task::Writing)),
        ("Schreibe ein Gedicht über den Herbst", Some(Task::Writing)),
        (
            "Write an email to my landlord about the broken heating",
            Some(Task::Writing),
        ),
        (
            "Translate 'good evening' into Japanese",
            Some(Task::Translation),
        ),
        (
            "Übersetze diesen Satz ins Englische: Der Zug ist spät",
            Some(Task::Translation),
        ),
        ("Traduce al inglés: el gato duerme", Some(Task::Translation)),
        ("翻译成英文：今天天气很好", Some(Task::Translation)),
        (
            "How do you say 'cheers' in Finnish?",
            Some(Task::Translation),
        ),
        (
            "Переведи на английский: поезд опаздывает",
            Some(Task::Translation),
        ),
        (
            "Summarize the following article in three sentences: The council met on Monday",
            Some(Task::Summarization),
        ),
        ("TL;DR of this thread please", Some(Task::Summarization)),
        (
            "What are the key points of the meeting notes below?",
            Some(Task::Summarization),
        ),
        (
            "Fasse den Text zusammen: Es war einmal",
            Some(Task::Summarization),
        ),
        ("请总结下面的文章", Some(Task::Summarization)),
        (
            "Extract all email addresses from the text below",
            Some(Task::Extraction),
        ),
        (
            "Classify this review as positive or negative: great food",
            Some(Task::Extraction),
        ),
        (
            "Return the invoice number and the total as JSON",
            Some(Task::Extraction),
        ),
        (
            "What is the sentiment of this tweet?",
            Some(Task::Extraction),
        ),
        ("What is the capital of Mongolia?", Some(Task::Question)),
        ("Who wrote Middlemarch?", Some(Task::Question)),
        ("Explain how vaccines work", Some(Task::Question)),
        ("Pourquoi le ciel est-il bleu ?", Some(Task::Question)),
        ("How should I store fresh basil?", Some(Task::Question)),
        ("为什么天空是蓝色的？", Some(Task::Question)),
        ("lorem ipsum dolor sit amet", None),
        ("", None),
        ("42", None),
    ];

    #[test]
    fn prompts_are_taken_for_what_they_are() {
        let wrong: Vec<String> = GOLDEN
            .iter()
            .filter(|(prompt, task)| of_prompt(prompt).task != *task)
            .map(|(prompt, task)| format!("{prompt:?}: {:?}, not {task:?}", of_prompt(prompt)))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn no_task_is_no_confidence_and_a_clear_one_is_much() {
        assert_eq!(of_prompt("lorem ipsum dolor sit amet").confidence, 0);
        assert!(of_prompt("Translate 'good evening' into Japanese").confidence >= 60);
    }

    #[test]
    fn every_api_says_the_same_thing_in_its_own_place() {
        let bodies = [
            r#"{"messages":[{"role":"system","content":"Summarize everything"},{"role":"user","content":"Translate this into French: cat"}]}"#,
            r#"{"messages":[{"content":[{"type":"text","text":"Translate this into French: cat"}],"role":"user"}],"system":"Summarize"}"#,
            r#"{"input":"Translate this into French: cat"}"#,
            r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"Translate this into French: cat"}]},{"type":"function_call_output","output":"x"}]}"#,
            r#"{"contents":[{"parts":[{"text":"Translate this into French: cat"}]}]}"#,
        ];
        for body in bodies {
            assert_eq!(of(body).task, Some(Task::Translation), "{body}");
        }
    }

    #[test]
    fn what_the_user_said_last_counts() {
        let body = r#"{"messages":[{"role":"user","content":"Translate cat into French"},{"role":"assistant","content":"chat"},{"role":"user","content":"Now write a poem about it"}]}"#;
        assert_eq!(of(body).task, Some(Task::Writing));
    }

    #[test]
    fn tools_make_an_agent_and_code_tools_a_programmer() {
        let body = |name: &str| {
            format!(
                r#"{{"messages":[{{"role":"user","content":"Please fix it"}}],"tools":[{{"type":"function","function":{{"name":"{name}"}}}}]}}"#
            )
        };
        assert_eq!(of(&body("get_weather")).task, Some(Task::AgentTools));
        assert_eq!(of(&body("read_file")).task, Some(Task::AgentCoding));
        assert_eq!(
            of(r#"{"messages":[{"role":"user","content":"go"}],"tools":[{"name":"Bash","input_schema":{}}]}"#).task,
            Some(Task::AgentCoding)
        );
    }

    #[test]
    fn a_picture_is_looked_at() {
        let body = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}"#;
        assert_eq!(of(body).task, Some(Task::Vision));
    }

    #[test]
    fn a_schema_is_for_extraction_and_much_text_for_long_context() {
        let body = r#"{"messages":[{"role":"user","content":"Ann, 31, Oslo"}],"response_format":{"type":"json_schema","json_schema":{}}}"#;
        assert_eq!(of(body).task, Some(Task::Extraction));
        let long = serde_json::json!({"messages": [{"role": "user", "content": format!("{}\nWho is guilty?", "word ".repeat(60_000))}]});
        assert_eq!(of(&long.to_string()).task, Some(Task::LongContext));
    }

    #[test]
    fn demand_follows_the_task_the_words_and_the_wish() {
        assert_eq!(of_prompt("Hello!").demand, Demand::Low);
        assert_eq!(
            of_prompt("Prove that there are infinitely many primes").demand,
            Demand::High
        );
        assert_eq!(of_prompt("Who wrote Middlemarch?").demand, Demand::Low);
        assert_eq!(
            of_prompt("Who wrote Middlemarch? Think step by step.").demand,
            Demand::High
        );
        let wish = |reasoning: &str| {
            of(&format!(
                r#"{{"messages":[{{"role":"user","content":"Solve the equation x + 1 = 2"}}],{reasoning}}}"#
            ))
            .demand
        };
        assert_eq!(wish(r#""reasoning":{"effort":"high"}"#), Demand::High);
        assert_eq!(wish(r#""reasoning_effort":"none""#), Demand::Medium);
        assert_eq!(wish(r#""thinking":{"type":"disabled"}"#), Demand::Medium);
    }

    #[test]
    fn any_bytes_are_survived() {
        for body in [
            "{}",
            "[]",
            "1",
            r#"{"messages":5,"tools":"x","input":{"a":[1]}}"#,
            r#"{"messages":[1,null,"x",{"role":7,"content":{"a":1}}]}"#,
            r#"{"messages":[{"role":"user","content":"\ud800\u0041\\"}]}"#,
        ] {
            let _ = of(body);
        }
    }
}
