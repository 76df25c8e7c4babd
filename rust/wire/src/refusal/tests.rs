//! What each refusal says, whole.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::*;

fn rendered(refusal: &Refusal) -> Value {
    serde_json::from_slice(&refusal.json()).unwrap()
}

fn full(kind: Kind) -> Refusal {
    Refusal::new(kind)
        .with_message("why \"so\"\n")
        .with_provider("P")
        .with_raw("{\"error\":\"sk-secret\"}")
        .with_provider_status(418)
        .with_provider_code("teapot")
        .with_retry_after_secs(3)
        .with_requested_models(vec!["a/b".into(), "c".into()])
        .with_near(vec!["a/c".into()])
        .with_rate(Rate {
            limit: 20,
            remaining: 0,
            reset_ms: 1_764_031_697_123,
        })
        .with_text("limit_source", "a \"name\"")
        .with_json("limit_usd", "0.5".into())
        .with_previous_errors(vec![
            PreviousError {
                provider: "Q".into(),
                status: None,
                error_type: "timeout",
                message: "refused".into(),
            },
            PreviousError {
                provider: "R".into(),
                status: Some(500),
                error_type: "provider_unavailable",
                message: "failed".into(),
            },
        ])
}

#[test]
fn every_kind_renders_a_valid_envelope() {
    for kind in Kind::ALL {
        for refusal in [Refusal::new(*kind), full(*kind)] {
            let body = rendered(&refusal);
            assert_eq!(body["error"]["code"], kind.status(), "{kind:?}");
            assert_eq!(refusal.status(), kind.status());
            assert_eq!(body["error"]["metadata"]["error_type"], kind.error_type());
            assert_eq!(body["error"]["message"], refusal.message.as_ref());
            assert!(!refusal.message.is_empty());
        }
    }
}

#[test]
fn names_and_sentences_are_distinct() {
    let names: HashSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    let sentences: HashSet<_> = Kind::ALL.iter().map(|kind| kind.message()).collect();
    assert_eq!(sentences.len(), Kind::ALL.len());
}

#[test]
fn the_availability_object_follows_the_table_of_codes() {
    let body = rendered(&full(Kind::ProviderRateLimited));
    assert_eq!(
        body["error"]["availability"],
        json!({"code":"capacity_exhausted","retryable":true,"requested_models":["a/b","c"],"docs_url":"/v1/models",
            "retry_after":3,"affected_providers":["P"],"fallback_models":["a/c"]})
    );
    assert_eq!(body["error"]["http_status"], 429);
    assert_eq!(
        rendered(&Refusal::new(Kind::Server))["error"].get("availability"),
        None
    );
}

#[test]
fn g08_the_rate_stands_in_the_metadata_as_in_the_headers() {
    let metadata = &rendered(&full(Kind::RateLimited))["error"]["metadata"];
    assert_eq!(
        metadata["headers"],
        json!({"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1764031697123"})
    );
    assert_eq!(metadata["limit_source"], "a \"name\"");
    assert_eq!(metadata["limit_usd"], json!(0.5));
}

#[test]
fn what_kept_endpoints_out_is_said() {
    let refusal = Refusal::new(Kind::ConstraintFiltered)
        .with_excluded_by(vec!["max_price", "quantization"])
        .with_constraint("provider.max_price", "prompt 1")
        .with_providers(vec!["a".into()], vec!["b".into()]);
    let body = rendered(&refusal);
    let error = &body["error"];
    assert_eq!(
        error["availability"]["excluded_by"],
        json!(["max_price", "quantization"])
    );
    assert_eq!(
        error["availability"]["constraint"],
        json!({"field": "provider.max_price", "detail": "prompt 1"})
    );
    assert_eq!(error["metadata"]["available_providers"], json!(["a"]));
    assert_eq!(error["metadata"]["requested_providers"], json!(["b"]));
}

#[test]
fn a_missing_model_is_told_with_near_names_and_the_way_to_all() {
    let refusal = Refusal::model_not_found("a/bb", vec!["a/b".into()]);
    assert_eq!(
        refusal.message,
        "a/bb is not a valid model ID; near names: a/b; GET /v1/models lists all"
    );
    let body = rendered(&refusal);
    assert_eq!(body["error"]["metadata"]["near_models"], json!(["a/b"]));
    assert_eq!(
        body["error"]["availability"]["requested_models"],
        json!(["a/bb"])
    );
}

#[test]
fn g03_a_fault_of_ours_is_always_the_same_sentence() {
    let refusal = full(Kind::Server);
    assert_eq!(refusal.status(), 500);
    let body = rendered(&refusal);
    assert_eq!(body["error"]["message"], "Internal Server Error");
    assert_eq!(body["error"]["metadata"].get("raw"), None);
    assert_eq!(body["error"]["metadata"].get("provider_code"), None);
}

#[test]
fn a_provider_text_about_our_credential_is_never_shown() {
    for kind in [Kind::ProviderRejectedCredential, Kind::Server] {
        let body = String::from_utf8(full(kind).json()).unwrap();
        assert!(
            !body.contains("sk-secret") && !body.contains("teapot"),
            "{body}"
        );
    }
    assert!(
        String::from_utf8(full(Kind::ProviderUnavailable).json())
            .unwrap()
            .contains("sk-secret")
    );
    assert_eq!(full(Kind::Server).message, Kind::Server.message());
}

#[test]
fn a_refusal_by_the_provider_keeps_its_status_and_type() {
    let refused = |status: u16| Refusal::new(Kind::ProviderRefused).with_provider_status(status);
    for (status, expected, error_type) in [
        (400, 400, "invalid_request"),
        (404, 404, "not_found"),
        (413, 413, "payload_too_large"),
        (422, 422, "unprocessable"),
        (418, 400, "invalid_request"),
        (500, 400, "invalid_request"),
    ] {
        assert_eq!(
            (refused(status).status(), refused(status).error_type()),
            (expected, error_type)
        );
    }
    let long = refused(400).with_provider_code("context_length_exceeded");
    assert_eq!(long.error_type(), "context_length_exceeded");
}
