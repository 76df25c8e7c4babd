//! Why an endpoint may not serve a request: the hard filters, in the order in which they are asked.
//!
//! Their names are OpenRouter's vocabulary of `excluded_by` (openrouter.md section 4.6) as far as it goes; the others are this
//! gateway's own, each after the member of the request that it is about.

/// Declares the reasons, their names and their order.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident $name:literal;)*) => {
        /// What keeps an endpoint out. A later one is nearer to serving.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Reason {
            $($(#[$doc])* $reason,)*
        }

        impl Reason {
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
    /// It is another tier of service, which nobody asked for.
    ServiceTier "service_tier";
    /// `only`, `ignore`, or `order` without fallbacks do not have it.
    Providers "allowed_providers";
    /// The web is to be searched, and it cannot.
    WebSearch "web_search";
    /// It generates less than is asked for.
    MaxTokens "max_tokens";
}
