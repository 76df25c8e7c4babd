//! The words and shapes by which a task is told. All words are in lower case.
//!
//! A word stands for itself, with no letter or digit beside it; one that ends in `*` may go on. Scripts without spaces have no such
//! edges, so there any place counts.

use super::Task;

/// What a row of words speaks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hit {
    Task(Task),
    /// Small talk, where nothing else is said.
    Greeting,
    /// That it takes thought.
    Thought,
}

/// Words that say the same.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) hit: Hit,
    /// What the first of them counts; each further one counts one more.
    pub(super) weight: u32,
    pub(super) words: &'static [&'static str],
}

const fn row(task: Task, weight: u32, words: &'static [&'static str]) -> Row {
    Row {
        hit: Hit::Task(task),
        weight,
        words,
    }
}

#[rustfmt::skip]
pub(super) const WORDS: &[Row] = &[
    row(Task::CodeDebugging, 6, &[
        "traceback (most recent", "stack trace", "stacktrace", "segmentation fault", "segfault", "core dumped", "panicked at",
        "nullpointerexception", "undefined reference", "exception in thread", "typeerror", "valueerror", "keyerror",
        "attributeerror", "assertionerror", "importerror", "syntaxerror", "referenceerror", "error[e*", "fatal error:",
        "compilation error", "compile error", "compiler error", "npm err!", "unhandled exception", "cannot read propert*",
        "index out of bounds", "build failed",
    ]),
    row(Task::CodeDebugging, 5, &[
        "debug*", "fix this bug", "fix the bug", "fix my code", "fix this code", "find the bug", "bug in", "why does this code",
        "doesn't compile", "does not compile", "failing test*", "test fails", "tests fail", "off-by-one", "memory leak",
        "race condition", "deadlock*", "infinite loop", "fehlermeldung",
    ]),
    row(Task::CodeDebugging, 1, &["error", "bug", "crash*", "exception", "not working", "fails"]),
    row(Task::CodeGeneration, 4, &[
        "write a function", "write a program", "write a script", "write code", "write a class", "write a method", "write unit test*",
        "write tests", "implement a*", "implement the", "refactor*", "unit test*", "regex", "regular expression", "sql query",
        "react component", "rest api", "api endpoint", "dockerfile", "bash script", "shell script", "python script", "html page",
        "data structure", "leetcode", "github action*", "terraform", "kubernetes manifest", "makefile", "web scraper",
        "写一个函数", "编写*", "プログラムを書*", "schreibe eine funktion", "schreibe ein programm",
    ]),
    row(Task::CodeGeneration, 3, &[
        "python", "javascript", "typescript", "rust", "golang", "kotlin", "c++", "c#", "sql", "html", "css", "react", "django",
        "flask", "fastapi", "numpy", "pandas", "pytorch", "node.js", "java", "php", "ruby on rails", "powershell", "codebase",
    ]),
    row(Task::CodeReview, 5, &[
        "code review", "review this code", "review my code", "review this pr", "pull request", "explain this code",
        "explain the code", "what does this code", "what does this function", "diff --git",
    ]),
    row(Task::Math, 5, &[
        "solve for", "solve the equation", "equation", "integral", "derivative", "differentiate", "prove that", "theorem",
        "eigenvalue*", "polynomial", "probability", "how many ways", "prime number*", "factorial", "square root", "trigonometr*",
        "\\frac*", "\\int*", "\\sum*", "\\sqrt*", "\\sin*", "\\lim*", "gleichung", "ableitung", "beweise", "wahrscheinlichkeit",
        "équation", "dérivée", "ecuación", "derivada", "уравнение", "производн*", "докажи*", "方程", "积分", "概率", "証明",
    ]),
    row(Task::Math, 2, &["calculate", "compute", "matrix", "geometry", "triangle", "algebra", "sum of", "percent of", "berechne", "計算", "计算"]),
    row(Task::Writing, 5, &[
        "short story", "write a story", "story about", "poem", "haiku", "limerick", "sonnet", "essay", "blog post", "cover letter",
        "write an email", "write a letter", "draft an email", "lyrics", "song about", "screenplay", "slogan", "tagline",
        "marketing copy", "product description", "press release", "linkedin post", "rewrite", "rephrase", "paraphrase",
        "proofread", "more formal", "wedding speech", "newsletter", "fan fiction", "roleplay", "role-play", "gedicht",
        "kurzgeschichte", "aufsatz", "poème", "lettre de motivation", "cuento", "poema", "стихотворени*", "рассказ", "сочинени*",
        "写一首诗", "写一篇", "作文", "小説",
    ]),
    row(Task::Translation, 7, &[
        "translate", "translation of", "translated into", "how do you say", "übersetze*", "übersetzung", "traduis", "traduire",
        "traduisez", "traduce", "traducir", "traduzca", "traduza", "traduzir", "traduci", "переведи*", "перевод", "翻译", "翻訳",
        "번역*", "ترجم*", "अनुवाद",
    ]),
    row(Task::Summarization, 6, &[
        "summarize", "summarise", "summary of", "summarizing", "tl;dr", "tldr", "key points", "main points", "key takeaways",
        "meeting notes", "condense", "zusammenfass*", "fasse", "résume", "résumé de", "résumer", "resume el", "resumir",
        "resumen", "resuma", "riassumi", "суммируй", "кратко излож*", "总结", "摘要", "要約", "요약*",
    ]),
    row(Task::Extraction, 6, &[
        "extract", "classify", "categorize", "categorise", "sentiment", "named entit*", "as json", "return json", "into json",
        "json object", "output json", "valid json", "in json format", "as csv", "into a table", "extrahiere", "klassifiziere",
        "extrais", "extrae", "clasifica", "извлеки", "提取", "抽出", "分类",
    ]),
    row(Task::Question, 2, &[
        "what", "what's", "why", "who", "when", "where", "which", "how", "explain", "tell me", "describe", "compare", "recommend",
        "difference between", "was ist", "warum", "wie", "erkläre", "pourquoi", "comment", "qu'est-ce*", "qué", "por qué",
        "cómo", "explica", "perché", "почему", "что", "как", "объясни", "什么", "为什么", "怎么", "なぜ", "とは", "무엇*", "왜",
    ]),
    Row { hit: Hit::Greeting, weight: 5, words: &[
        "hello", "hi", "hey", "good morning", "good evening", "good night", "how are you", "what's up", "thanks", "thank you",
        "hallo", "guten tag", "guten morgen", "danke", "bonjour", "salut", "merci", "hola", "gracias", "ciao", "grazie", "olá",
        "obrigado", "привет", "спасибо", "здравствуй*", "你好", "谢谢", "こんにちは", "ありがとう", "안녕*",
    ] },
    Row { hit: Hit::Thought, weight: 1, words: &[
        "step by step", "think carefully", "think hard", "prove", "derive", "reason through", "trade-offs", "tradeoffs",
        "in depth", "in-depth", "rigorous*", "design a system", "system design", "architecture for", "root cause", "optimize",
        "schritt für schritt", "étape par étape", "paso a paso", "пошагово", "一步一步", "逐步",
    ] },
];

/// Whether `word` stands in `text`.
pub(super) fn stands_in(text: &str, word: &str) -> bool {
    let (word, goes_on) = match word.strip_suffix('*') {
        Some(word) => (word, true),
        None => (word, false),
    };
    let is_edge = |beside: Option<char>, own: Option<char>| !(joins(beside) && joins(own));
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        is_edge(before.chars().next_back(), word.chars().next())
            && (goes_on || is_edge(after.chars().next(), word.chars().next_back()))
    })
}

/// Whether a character makes one word with another beside it. The signs of China and Japan and Korea's syllables do not, because
/// words there are not parted.
fn joins(letter: Option<char>) -> bool {
    letter.is_some_and(|letter| {
        letter.is_alphanumeric() && !matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
    })
}

/// What a text looks like.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// It has a fence of code.
    pub(super) fenced: bool,
    /// It has the marks of a patch.
    pub(super) diff: bool,
    /// Lines that look like code.
    pub(super) code_lines: u32,
    /// Places where two numbers or variables are added, multiplied or compared.
    pub(super) sums: u32,
    /// It ends in a question mark.
    pub(super) asks: bool,
}

/// Looks at a text's form.
pub(super) fn shape(text: &str) -> Shape {
    let mut shape = Shape {
        fenced: text.contains("```"),
        asks: text.trim_end().ends_with(['?', '？']),
        ..Shape::default()
    };
    let mut patch = 0;
    for line in text.lines() {
        let line = line.trim();
        let is_code = line.ends_with([';', '{', '}'])
            || line.starts_with("def ") && line.ends_with(':')
            || line.starts_with("import ")
            || line.starts_with("#include");
        shape.code_lines += u32::from(is_code && line.len() > 1);
        patch += u32::from(
            line.starts_with("@@ -") || line.starts_with("+++ ") || line.starts_with("--- a/"),
        );
        if !is_code {
            shape.sums += sums(line);
        }
    }
    shape.diff = patch >= 2;
    shape
}

/// Operators between two operands, the right one a number: `17 * 24`, `x + 1 = 2`. A date has none, and a range is none.
fn sums(line: &str) -> u32 {
    let bytes = line.as_bytes();
    let operand = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b')');
    let past = |from: usize, step: isize| {
        let mut at = from;
        loop {
            at = at.checked_add_signed(step)?;
            match bytes.get(at) {
                Some(b' ') => {}
                found => return found.map(|_| at),
            }
        }
    };
    let mut count = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !matches!(byte, b'*' | b'+' | b'=' | b'^') {
            continue;
        }
        let left = past(at, -1).and_then(|left| bytes.get(left));
        let right = past(at, 1).and_then(|right| bytes.get(right));
        count += u32::from(operand(left) && right.is_some_and(u8::is_ascii_digit));
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_edges_where_there_are_spaces() {
        assert!(stands_in("say hi!", "hi"));
        assert!(!stands_in("this", "hi"));
        assert!(stands_in("refactoring it", "refactor*"));
        assert!(!stands_in("refactoring it", "refactor"));
        assert!(stands_in("请总结下面", "总结"));
        assert!(stands_in("i use c++ here", "c++"));
    }

    #[test]
    fn sums_are_seen_and_dates_are_not() {
        assert_eq!(sums("what is 17 * 24 + 3?"), 2);
        assert_eq!(sums("on 2026-11-22 at 10:30"), 0);
        assert_eq!(sums("a+b"), 0);
        assert_eq!(sums("="), 0);
    }

    #[test]
    fn every_word_is_written_as_it_is_looked_for() {
        for word in WORDS.iter().flat_map(|row| row.words) {
            assert_eq!(word.to_lowercase(), **word);
            assert!(!word.trim_end_matches('*').is_empty());
        }
    }
}
