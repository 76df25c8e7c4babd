//! What a request was: gathered while it runs, booked exactly once.
//!
//! The record goes into the journal *before* the last byte of the answer goes to the client. So an answer that a client
//! has received whole is in the journal, whatever happens next; one that was lost on the last metre is booked too, since
//! the provider charges for it. If the task is dropped in the middle (client gone, shutdown, panic), `Drop` books
//! what is known by then.

mod beside;

use std::borrow::Cow;

use smallvec::SmallVec;
use turnout_wire::answer::{Facts, Serving};
use turnout_wire::api::Api;
use turnout_wire::cost::Cost;
use turnout_wire::count;
use turnout_wire::dialect::Dialect;
use turnout_wire::finish::Finish;
use turnout_wire::parameter::Parameter;
use turnout_wire::request::{Request, Upstream};
use turnout_wire::tool;
use turnout_wire::usage::{Usage, UsageSource};

use beside::Beside;

use crate::cache::{self, Entry, Recorder};
use crate::clock::{Instant, Moment, micros, unix_ms};
use crate::edge::head::{Head, Known};
use crate::explain::{Telling, Times, Tried};
use crate::failure::Failure;
use crate::limits::Hold;
use crate::metrics::{Observation, Outcome, Slot};
use crate::record::{Attempt, Client, Record};
use crate::route::Candidate;
use crate::route::name::router_of;
use crate::route::sticky::Conversation;
use crate::snapshot::{Credential, Key, Snapshot};
use crate::statistics::{Ending, Flight, Served};
use crate::thread::Thread;
use crate::upstream::answer::AnswerHead;

/// `gen-<unix seconds>-<20 letters and digits>`, or nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GenerationId {
    text: [u8; 40],
    length: u8,
}

impl Default for GenerationId {
    fn default() -> Self {
        GenerationId {
            text: [0; 40],
            length: 0,
        }
    }
}

impl GenerationId {
    pub(crate) fn new(unix_seconds: u64) -> Self {
        // Two letters stand twice, so that six random bits choose one without a division.
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789Xx";
        let mut text = [0u8; 40];
        text[..4].copy_from_slice(b"gen-");
        let mut digits = itoa::Buffer::new();
        // Ten digits until the year 2286, and never more than 15 for any clock that can be set.
        let digits = digits
            .format(unix_seconds.min(999_999_999_999_999))
            .as_bytes();
        let mut at = 4 + digits.len();
        text[4..at].copy_from_slice(digits);
        text[at] = b'-';
        at += 1;
        for _ in 0..2 {
            let mut draw = fastrand::u64(..);
            for _ in 0..10 {
                text[at] = ALPHABET[(draw % 64) as usize];
                draw /= 64;
                at += 1;
            }
        }
        GenerationId {
            text,
            length: at as u8,
        }
    }

    /// The id of a text that is one; nothing for a longer text.
    pub(crate) fn of(id: &str) -> Self {
        let mut text = [0u8; 40];
        match text.get_mut(..id.len()) {
            Some(place) => place.copy_from_slice(id.as_bytes()),
            None => return GenerationId::default(),
        }
        GenerationId {
            text,
            length: id.len() as u8,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Client,
    /// The gateway's own, to find out whether an endpoint serves.
    Probe,
    /// The auto router's, about a request of the same key.
    Judge,
}

impl Purpose {
    /// What is booked for the API.
    fn api(self, api: Api) -> &'static str {
        match self {
            Purpose::Client => api.name(),
            Purpose::Probe => "probe",
            Purpose::Judge => "judge",
        }
    }
}

/// The account of one request.
pub(crate) struct Account<'a> {
    thread: &'a Thread,
    snapshot: &'a Snapshot,
    key: Option<&'a Key>,
    request: &'a Request,
    pub(crate) id: GenerationId,
    pub(crate) created_ms: u64,
    api: Api,
    purpose: Purpose,
    streamed: bool,
    /// The client's own texts, packed while its head is at hand.
    client: Vec<u8>,
    began: Instant,
    /// The last look at the clock. A look costs as much as a short string's scan, and between two waits hardly any time
    /// passes, so only a wait and the booking look anew.
    last: Instant,
    queue_us: u64,
    connect_us: u64,
    first_byte: Option<Instant>,
    /// Time in which the gateway had nothing to do but wait for the provider or the client.
    waited_us: u64,
    /// One, nearly always.
    attempts: SmallVec<[Attempt<'a>; 1]>,
    /// The attempt that is being made.
    current: Option<Current<'a>>,
    /// The candidate that serves, or was tried last.
    serving: Option<&'a Candidate<'a>>,
    /// What is held back of the key's limit and of the credits, until the cost is known.
    hold: Option<Hold<'a>>,
    /// What is to be remembered of a success, for the next request.
    conversation: Option<&'a Conversation<'a>>,
    /// Copies the answer for the cache. Boxed, because few requests have one.
    recorder: Option<Box<Recorder<'a>>>,
    /// The kept answer that is given again.
    given_again: Option<&'a Entry>,
    booked: bool,
    /// What the client wants to be told beside its answer; `None`: nothing, as nearly always.
    telling: Option<Box<Telling<'a>>>,
    /// Whether the answer calls a tool wrongly; `None`: it calls none.
    calls_wrongly: Option<bool>,
    /// What the provider streamed, where the tools that it calls are to be looked at.
    streamed_answer: Vec<u8>,
    /// The other account of this request, while a hedge may run; `None`: nearly always.
    beside: Option<Beside<'a>>,
    /// Whether the attempt that is being made has a connection, and so may have cost something.
    is_sent: bool,
    /// What hedges that lost are taken to have cost the owners of their keys, where those are the client's own.
    lost_upstream_nano: u64,
}

/// What a client says of itself, as it is booked.
#[inline]
pub(crate) fn client(
    thread: &Thread,
    request: &Request,
    head: &Head,
    address: std::net::IpAddr,
) -> Vec<u8> {
    let referer = head.text(Known::HttpReferer);
    let referer = if referer.is_empty() {
        head.text(Known::Referer)
    } else {
        referer
    };
    let title = head.text(Known::OpenRouterTitle);
    let title = if title.is_empty() {
        head.text(Known::Title)
    } else {
        title
    };
    let session = request
        .session_id()
        .unwrap_or_else(|| head.text(Known::SessionId));
    let mut packed = std::mem::take(&mut *thread.client.borrow_mut());
    packed.clear();
    Client {
        http_referer: referer,
        app_title: title,
        user_agent: head.text(Known::UserAgent),
        session_id: session,
        user: request.user().unwrap_or_default(),
        address: &thread.address_text(address),
    }
    .pack(&mut packed);
    packed
}

/// An attempt under way.
struct Current<'a> {
    attempt: Attempt<'a>,
    since: Instant,
    /// How long it took, once that has been worked out.
    took_us: Option<u64>,
    credential: &'a Credential,
    /// For the endpoint's statistics; dropped with the account when the client leaves.
    flight: Flight<'a>,
}

impl<'a> Account<'a> {
    /// Opens it. `waited_us`: time already spent waiting for the client's body.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing that only the caller has"
    )]
    pub(crate) fn open(
        thread: &'a Thread,
        snapshot: &'a Snapshot,
        key: Option<&'a Key>,
        request: &'a Request,
        head: &Head,
        address: std::net::IpAddr,
        began: Instant,
        waited_us: u64,
    ) -> Account<'a> {
        let client = client(thread, request, head, address);
        Account::of_client(thread, snapshot, key, request, client, began, waited_us)
    }

    /// The same, with what [`client`] gave.
    #[inline]
    pub(crate) fn of_client(
        thread: &'a Thread,
        snapshot: &'a Snapshot,
        key: Option<&'a Key>,
        request: &'a Request,
        client: Vec<u8>,
        began: Instant,
        waited_us: u64,
    ) -> Account<'a> {
        let created_ms = unix_ms();
        let now = Instant::now();
        Account {
            thread,
            snapshot,
            key,
            request,
            id: GenerationId::new(created_ms / 1000),
            created_ms,
            api: request.api(),
            purpose: Purpose::Client,
            streamed: request.stream() && request.api().streams(),
            client,
            began,
            last: now,
            queue_us: micros(began, now).saturating_sub(waited_us),
            connect_us: 0,
            first_byte: None,
            waited_us,
            attempts: SmallVec::new(),
            current: None,
            serving: None,
            hold: None,
            conversation: None,
            recorder: None,
            given_again: None,
            booked: false,
            telling: None,
            calls_wrongly: None,
            streamed_answer: Vec::new(),
            beside: None,
            is_sent: false,
            lost_upstream_nano: 0,
        }
    }

    /// It is not a client's request.
    pub(crate) fn is_for(&mut self, purpose: Purpose) {
        self.purpose = purpose;
    }

    /// A success will be remembered as the conversation's.
    pub(crate) fn remember(&mut self, conversation: &'a Conversation<'a>) {
        self.conversation = Some(conversation);
    }

    /// What the client wants to be told.
    pub(crate) fn tell(&mut self, telling: Option<Box<Telling<'a>>>) {
        self.telling = telling;
    }

    /// A body is being sent to a provider.
    pub(crate) fn sending_upstream(&mut self, body: &Upstream<'_>) {
        if let Some(telling) = &mut self.telling {
            telling.sent(body);
        } else if let Some(beside) = &self.beside {
            beside.sent(body);
        }
    }

    /// Puts what is told at a stream's beginning before what is about to be sent.
    pub(crate) fn put_first(&mut self, serving: &Serving<'_>, out: &mut Vec<u8>) {
        if let Some(Telling {
            echo: Some(echo), ..
        }) = self.telling.as_deref_mut()
        {
            echo.put_first(serving, 0, out);
        }
    }

    /// The members that go beside the answer, or beside the error when the attempt that runs, if any, does not serve. `None`: none
    /// were asked for, as nearly always.
    pub(crate) fn members(&self, serves: bool) -> Option<String> {
        let telling = self.telling.as_deref()?;
        let now = Instant::now();
        let running = match (&self.current, self.serving) {
            (Some(current), Some(candidate)) => Some(Tried {
                candidate,
                attempt: Attempt {
                    latency_us: micros(current.since, now),
                    outcome: match serves {
                        true => Outcome::Ok,
                        false => Outcome::Closed,
                    },
                    ..current.attempt
                },
                connect_us: self.connect_us,
            }),
            _ => None,
        };
        let times = Times {
            queue_us: self.queue_us,
            ttft_us: self.first_byte.map_or(0, |at| micros(self.began, at)),
            waited_us: self.waited_us,
            total_us: micros(self.began, now),
        };
        let members = telling.members(self.id.as_str(), running, serves, times);
        (!members.is_empty()).then_some(members)
    }

    /// The answer will be copied for the cache.
    pub(crate) fn cache(&mut self, recorder: Recorder<'a>) {
        self.recorder = Some(Box::new(recorder));
    }

    /// This part of the answer is about to be sent.
    pub(crate) fn sending(&mut self, part: &[u8]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(part);
        }
    }

    /// What the client is told of the cache.
    pub(crate) fn cache_headers(&self) -> Vec<(Cow<'static, str>, String)> {
        (self.recorder.as_ref()).map_or_else(Vec::new, |recorder| {
            cache::miss_headers(recorder.ask.ttl_seconds)
        })
    }

    /// A wait since `since` is over.
    pub(crate) fn waited(&mut self, since: Instant) {
        let now = self.look();
        self.waited_us += micros(since, now);
    }

    /// Looks at the clock.
    pub(crate) fn look(&mut self) -> Instant {
        self.last = Instant::now();
        self.last
    }

    /// The last look.
    pub(crate) fn last(&self) -> Instant {
        self.last
    }

    /// There is a connection to the provider, after so many microseconds.
    pub(crate) fn connected(&mut self, micros: u64) {
        self.connect_us = micros;
        self.is_sent = true;
    }

    /// The first byte of the answer is about to be sent.
    pub(crate) fn first_byte(&mut self) {
        self.first_byte.get_or_insert(self.last);
    }

    /// Money is held back for this request.
    pub(crate) fn hold(&mut self, hold: Hold<'a>) {
        self.hold = Some(hold);
    }

    /// What is asked.
    pub(crate) fn request(&self) -> &'a Request {
        self.request
    }

    /// The key that asks.
    pub(crate) fn key(&self) -> Option<&'a Key> {
        self.key
    }

    pub(crate) fn api(&self) -> Api {
        self.api
    }

    /// The candidate that the answer, or its lack, is booked on.
    pub(crate) fn serving(&mut self, candidate: &'a Candidate<'a>) {
        self.serving = Some(candidate);
    }

    /// An attempt at this candidate begins.
    pub(crate) fn begin_attempt(
        &mut self,
        candidate: &'a Candidate<'a>,
        credential: &'a Credential,
    ) {
        self.serving = Some(candidate);
        self.streamed_answer.clear();
        self.is_sent = false;
        let attempt = Attempt {
            provider: &candidate.provider.slug,
            endpoint: &candidate.endpoint.tag,
            credential: &credential.label,
            status: 0,
            latency_us: 0,
            outcome: Outcome::Cancelled,
            is_byok: candidate.own.is_some(),
            hedged: self.beside.as_ref().is_some_and(Beside::is_guest),
            cost_nano: 0,
        };
        let mut flight = candidate.endpoint.statistics.begin(Moment::of(self.last));
        if self.purpose == Purpose::Probe {
            flight = flight.into_probe();
        }
        self.current = Some(Current {
            attempt,
            since: self.last,
            took_us: None,
            credential,
            flight,
        });
    }

    /// The request has been sent whole, as slowly as the client sent it. What the provider is slow in begins here.
    pub(crate) fn request_sent(&mut self) {
        if let Some(current) = &mut self.current {
            current.since = self.last;
        }
    }

    /// The head of the provider's answer has been read.
    pub(crate) fn attempt_head(&mut self, head: &AnswerHead) {
        if let Some(current) = &mut self.current {
            current.attempt.status = head.status;
            if let Some(headroom) = &head.headroom {
                let now = Moment::of(self.last);
                current.credential.state.heard(headroom, now);
            }
        }
    }

    /// The attempt failed.
    /// `is_impatience`: the request itself gave it too little time, which says nothing about the endpoint.
    pub(crate) fn fail_attempt(&mut self, failure: &Failure, is_impatience: bool) {
        if let (Some(current), Some(candidate)) = (&mut self.current, self.serving) {
            current.attempt.status = failure.status;
            let now = Moment::of(self.last);
            // A probe's own time is what a probe's question should take.
            let ending = match is_impatience && self.purpose != Purpose::Probe {
                true => Ending::Neutral,
                false => failure.ending(candidate.provider, current.credential, now),
            };
            self.end_attempt(failure.outcome, ending);
        }
    }

    /// The attempt is over.
    fn end_attempt(&mut self, outcome: Outcome, ending: Ending) {
        if let (Some(current), Some(candidate)) = (self.current.take(), self.serving) {
            if self.purpose != Purpose::Probe {
                self.thread
                    .metrics
                    .attempt(candidate.endpoint.slot, outcome);
            }
            let attempt = Attempt {
                latency_us: current
                    .took_us
                    .unwrap_or_else(|| micros(current.since, self.last)),
                outcome,
                ..current.attempt
            };
            let tried = Tried {
                candidate,
                attempt,
                connect_us: self.connect_us,
            };
            match &self.beside {
                Some(beside) if beside.is_guest() => beside.tried(tried),
                Some(_) => {
                    // What the other account has of an attempt that was over before.
                    self.take_in();
                    self.tried(tried);
                }
                None => self.tried(tried),
            }
            let now = current.flight.began().after_us(attempt.latency_us);
            current.flight.end(ending, now);
        }
    }

    /// An attempt is part of what is booked and told.
    fn tried(&mut self, tried: Tried<'a>) {
        if let Some(telling) = &mut self.telling {
            telling.tried.push(tried);
        }
        self.attempts.push(tried.attempt);
    }

    /// Whether the tools that an answer calls may have to be looked at: the request offers some.
    pub(crate) fn offers_tools(&self) -> bool {
        self.request.has(Parameter::Tools)
    }

    /// Keeps what was read of a stream, to look at the tools that it calls. What is longer than can be looked at is cut, and not judged.
    pub(crate) fn keep_for_calls(&mut self, part: &[u8]) {
        if self.streamed_answer.len() <= tool::BYTES_MAX {
            self.streamed_answer.extend_from_slice(part);
        }
    }

    /// Looks at the tools that an answer calls. `answer`: as the provider of this dialect sent it.
    pub(crate) fn judge_calls(&mut self, facts: &Facts, dialect: Dialect, answer: &[u8]) {
        if facts.finish == Some(Finish::ToolCalls) {
            self.calls_wrongly = tool::calls_wrongly(self.request, dialect, answer, false);
        }
    }

    /// The same of a stream that was kept.
    pub(crate) fn judge_streamed_calls(&mut self, facts: &Facts, dialect: Dialect) {
        if facts.finish == Some(Finish::ToolCalls) && !self.streamed_answer.is_empty() {
            let answer = std::mem::take(&mut self.streamed_answer);
            self.calls_wrongly = tool::calls_wrongly(self.request, dialect, &answer, true);
        }
    }

    /// What a whole answer says about its endpoint.
    fn served_ending(&mut self, facts: &Facts) -> Ending {
        let Some(current) = &mut self.current else {
            return Ending::Neutral;
        };
        if facts.finish == Some(Finish::Error) {
            return Ending::Failed { cool_ms: None };
        }
        current.credential.state.served(current.flight.began());
        // Of an answer that is not streamed nobody knows when it began.
        let first = self.first_byte.filter(|_| self.streamed);
        let took_us = micros(current.since, self.last);
        current.took_us = Some(took_us);
        Ending::Served(Served {
            ttft_us: first.map(|first| micros(current.since, first)),
            took_us,
            prompt: facts.usage.prompt,
            cached: facts.usage.cached,
            completion: facts.usage.completion,
            calls_wrongly: self.calls_wrongly,
        })
    }

    /// Books a success.
    pub(crate) fn book(&mut self, facts: &Facts) {
        self.look();
        self.first_byte();
        let ending = self.served_ending(facts);
        self.end_attempt(Outcome::Ok, ending);
        if let (Some(conversation), Some(candidate)) = (self.conversation, self.serving) {
            let sticky = &self.snapshot.routing.sticky;
            conversation.served(candidate, &facts.usage, sticky, self.last);
        }
        if let (Some(recorder), Some(candidate)) = (self.recorder.take(), self.serving) {
            recorder.keep(&self.id, self.created_ms, candidate, facts);
        }
        self.write(200, None, false, Some(facts));
    }

    /// Books a stream that failed after it had begun: the client saw 200 and then an error event.
    pub(crate) fn book_interrupted(
        &mut self,
        error_type: &'static str,
        outcome: Outcome,
        facts: &Facts,
    ) {
        self.look();
        // The provider broke off, unless the gateway did, because it shuts down.
        let ending = match outcome {
            Outcome::Cancelled => Ending::Neutral,
            _ => Ending::Failed { cool_ms: None },
        };
        self.end_attempt(outcome, ending);
        self.write(200, Some(error_type), false, Some(facts));
    }

    /// Books an answer that is given again from the cache.
    pub(crate) fn book_given_again(&mut self, entry: &'a Entry) {
        self.look();
        self.first_byte();
        self.given_again = Some(entry);
        self.write(200, None, false, None);
    }

    /// Books a request that ended in a refusal.
    pub(crate) fn book_refused(&mut self, status: u16, error_type: &'static str) {
        self.look();
        self.end_attempt(Outcome::Cancelled, Ending::Neutral);
        self.write(status, Some(error_type), false, None);
    }

    /// Books a request whose client left. `facts`: what had been consumed by then; `None`: nothing of an answer had come.
    pub(crate) fn book_cancelled(&mut self, facts: Option<&Facts>) {
        self.look();
        let prompt = match facts {
            None if !self.booked => self.prompt_alone(),
            _ => None,
        };
        self.end_attempt(Outcome::Cancelled, Ending::Neutral);
        let status = if self.first_byte.is_some() { 200 } else { 499 };
        self.write(status, Some("cancelled"), true, facts.or(prompt.as_ref()));
    }

    /// What a client consumed that leaves while it waits: the prompt, which the provider has been sent. Estimated, because nobody
    /// tells it any more; without it whoever leaves early enough would ask for nothing. Where the price is that of pictures or
    /// sounds, the prompt costs next to nothing, and it may have been on its way still.
    fn prompt_alone(&self) -> Option<Facts> {
        let candidate = self
            .serving
            .filter(|_| self.current.is_some() && self.is_sent)?;
        if self.api.task().is_opaque() {
            return None;
        }
        let usage = self.prompt_usage();
        Some(Facts {
            usage,
            usage_source: UsageSource::Estimated,
            cost: Cost::of(&usage, candidate.prices(), None),
            finish: None,
            native_finish: None,
            upstream_id: None,
        })
    }

    /// The prompt's tokens, estimated.
    fn prompt_usage(&self) -> Usage {
        let prompt = count::estimate(self.request);
        Usage {
            prompt,
            total: prompt,
            ..Usage::default()
        }
    }

    /// Charges the key and the gateway, and only then gives back what was held.
    fn charge(&mut self, cost: &Cost) {
        let limits = &self.thread.shared.limits;
        let meter = self.key.map_or(&limits.nobody, |key| &key.meter);
        if cost.total_nano > 0 {
            meter.spending.add(cost.total_nano, self.created_ms);
            limits.gateway.add(cost.total_nano, self.created_ms);
        }
        if let Some(nano) = cost.upstream_nano {
            meter.own.add(nano, self.created_ms);
        }
        self.hold = None;
    }

    fn write(
        &mut self,
        status: u16,
        error_type: Option<&'static str>,
        cancelled: bool,
        facts: Option<&Facts>,
    ) {
        if self.booked {
            return;
        }
        self.booked = true;
        let now = self.last;
        let total_us = micros(self.began, now);
        let ttft_us = match self.first_byte {
            None => 0,
            // Of a plain answer the first byte is the last.
            Some(at) if at == now => total_us.max(1),
            Some(at) => micros(self.began, at).max(1),
        };
        let overhead_us = total_us.saturating_sub(self.waited_us);
        let nothing = (Usage::default(), UsageSource::None, Cost::default());
        let (usage, usage_source, mut cost) =
            facts.map_or(nothing, |f| (f.usage, f.usage_source, f.cost));
        if self.attempts.len() > 1 {
            self.add_lost(&mut cost);
        }
        self.charge(&cost);
        let (serving, again) = (self.serving, self.given_again);
        let said = |text: &'a String| Some(text.as_str()).filter(|text| !text.is_empty());
        let slot = serving.map_or(Slot::OTHER, |candidate| candidate.endpoint.slot);
        let served = error_type.is_none() || facts.is_some();
        let model = serving
            .map(|c| c.slug)
            .or(again.map(|e| e.model.as_str()))
            .unwrap_or_default();
        let record = Record {
            id: self.id.as_bytes(),
            created_ms: self.created_ms,
            key_sha256: self.key.map_or("", |key| key.sha256_hex.as_str()),
            key_name: self.key.map_or("", |key| key.name.as_str()),
            api: self.purpose.api(self.api),
            model_requested: match serving {
                Some(candidate) if self.request.names(candidate.slug) => candidate.slug,
                _ => (self.request.model())
                    .or(self.request.models().first().map(String::as_str))
                    .unwrap_or(""),
            },
            model,
            provider: serving
                .filter(|_| served)
                .map(|c| c.provider.name.as_str())
                .or(again.map(|e| e.provider.as_str()))
                .unwrap_or_default(),
            provider_slug: serving
                .map(|c| c.provider.slug.as_str())
                .or(again.map(|e| e.provider_slug.as_str()))
                .unwrap_or_default(),
            endpoint: serving.map_or("", |c| c.endpoint.tag.as_str()),
            upstream_model: serving.map_or("", |c| c.model()),
            upstream_id: facts
                .and_then(|f| f.upstream_id.as_deref())
                .unwrap_or_default(),
            streamed: self.streamed,
            cancelled,
            status,
            error_type,
            finish_reason: facts
                .and_then(|f| f.finish)
                .map(turnout_wire::finish::Finish::name)
                .or(again.and_then(|e| said(&e.finish))),
            native_finish_reason: facts
                .and_then(|f| f.native_finish.as_deref())
                .or(again.and_then(|e| said(&e.native_finish))),
            usage,
            usage_source,
            cost,
            price_version: serving
                .and_then(|c| c.endpoint.prices.as_ref())
                .map_or("", |prices| prices.version.as_str()),
            queue_us: self.queue_us,
            connect_us: self.connect_us,
            ttft_us,
            total_us,
            overhead_us,
            attempts: &self.attempts,
            client: &self.client,
            config_digest: &self.snapshot.digest,
            cache_source_id: again.map_or("", |e| e.source_id.as_str()),
            // A model that was asked for by its own name was found by nobody else, as nearly always.
            router: match model.is_empty() || self.request.names(model) {
                true => None,
                false => router_of(self.snapshot, self.request, model),
            },
        };
        let kept = self
            .thread
            .journal
            .borrow_mut()
            .append(|out| record.pack(out));
        // A record that found no room is counted by the journal itself and shown in metrics and health.
        let _ = kept;
        let seen = Observation {
            status,
            streamed: self.streamed,
            cancelled,
            ttft_us,
            total_us,
            overhead_us,
            tokens_prompt: usage.prompt,
            tokens_completion: usage.completion,
            tokens_cached: usage.cached,
            cost_nano: cost.total_nano,
        };
        match self.purpose {
            Purpose::Client => self.thread.metrics.generation(slot, &seen),
            Purpose::Probe | Purpose::Judge => self.thread.metrics.own(slot, &seen),
        }
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        // What was handed over to an attempt that never came to claim it is booked all the same.
        if self.beside.is_some() {
            self.claim();
        }
        self.book_cancelled(None);
        // Its texts are cut to lengths, so the room that is handed on is small.
        *self.thread.client.borrow_mut() = std::mem::take(&mut self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_form_and_differ() {
        let ids: std::collections::HashSet<String> = (0..1000)
            .map(|_| GenerationId::new(1_764_031_697).as_str().to_owned())
            .collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let rest = id
                .strip_prefix("gen-1764031697-")
                .expect("prefix and seconds");
            assert_eq!(rest.len(), 20);
            assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric()));
        }
    }
}
