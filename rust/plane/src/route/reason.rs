//! Why an endpoint may not serve a request: the hard filters, in the order in which they are asked.
//!
//! Their names are OpenRouter's vocabulary of `excluded_by` (openrouter.md section 4.6) as far as it goes; the others are this
//! gateway's own, each after the member of the request that it is about.

/// Declares the reasons, their names and their order.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident $name:literal;)*) => {
        /// What keeps an endpoint out. A later one is nearer to serving.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(crate) enum Reason {
            $($(#[$doc])* $reason,)*
        }

        impl Reason {
            const ALL: &'static [Reason] = &[$(Reason::$reason,)*];

            /// The word that the client reads.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Reason::$reason => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// It does something else than what is asked: it embeds where text is to be written, say.
    Operation "wrong_endpoint";
    /// It is another tier of service than the one that is asked for.
    ServiceTier "service_tier";
    /// It is not in the region that the request's host stands for.
    Region "data_region";
    /// `only`, `ignore`, or `order` without fallbacks do not have it.
    Providers "allowed_providers";
    /// It trains on what it is sent, or may.
    Training "data_policy:training";
    /// It keeps what it is sent, or may.
    Retention "data_policy:zdr";
    /// The model's author does not permit to train others with what it writes, or is not known to.
    Distillable "distillable_text";
    /// Its weights have another precision.
    Quantization "quantization";
    /// It is dearer than wished, or its price is not known.
    MaxPrice "max_price";
    /// The conversation does not fit into it.
    ContextLength "context_length";
    /// It generates less than is asked for.
    MaxTokens "max_tokens";
    /// It cannot read something that the conversation holds.
    Modality "input_modalities";
    /// It does not take all parameters.
    Parameters "require_parameters";
    /// It cannot be told what to keep in its cache.
    CacheControl "cache_control";
    /// The web is to be searched, and it cannot.
    WebSearch "web_search";
    /// It takes no tools.
    Tools "tools";
    /// Others give the wished form of the answer, and it does not.
    ResponseFormat "response_format";
    /// Others take `verbosity`, and it does not.
    Verbosity "verbosity";
}

/// A set of reasons.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reasons(u32);

impl Reasons {
    pub(crate) fn add(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u8;
    }

    /// Those of the set, in their order.
    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = Reason> {
        let all = Reason::ALL.iter().copied();
        all.filter(move |reason| self.0 & (1 << *reason as u8) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_keeps_their_order_and_names_are_distinct() {
        let mut set = Reasons::default();
        set.add(Reason::Tools);
        set.add(Reason::MaxPrice);
        set.add(Reason::Tools);
        assert!(set.iter().eq([Reason::MaxPrice, Reason::Tools]));
        assert_eq!(set.iter().next_back(), Some(Reason::Tools));
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert!(names.len() == Reason::ALL.len() && names.len() <= 32);
    }
}
