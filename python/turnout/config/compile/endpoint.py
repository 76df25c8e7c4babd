"""The endpoints of a model: those that were written, filled up with what the catalogue knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from turnout.catalogue import offer
from turnout.config import model, snapshot, variant
from turnout.config.compile.price import check_tiers, prices_of
from turnout.config.compile.provider import Accounts, policy_over
from turnout.providers import row

if TYPE_CHECKING:
    from turnout.catalogue.entry import Endpoint, Entry
    from turnout.config.compile.work import Work
    from turnout.config.source import Step


def endpoints_of(
    work: Work, slug: str, written: model.Model, accounts: Accounts, offered: offer.Offer
) -> list[snapshot.Endpoint]:
    """The endpoints of one model at providers that are on, in the order of the file, or as the catalogue has them."""
    if not written.endpoints:
        return _known_endpoints(work, slug, written, offered)
    endpoints: list[snapshot.Endpoint] = []
    chosen = {endpoint.tag for endpoint in written.endpoints if endpoint.tag}
    tags: set[str] = set()
    for position, endpoint in enumerate(written.endpoints):
        path = ("models", slug, "endpoints", position)
        tag = endpoint.tag
        if tag is not None:
            if tag in tags:
                work.wrong((*path, "tag"), f"the tag {tag} occurs twice in this model")
            if tag != endpoint.provider and not tag.startswith(f"{endpoint.provider}/"):
                work.wrong(
                    (*path, "tag"), f"a tag is the provider's slug, or begins with it: {endpoint.provider}/{tag}"
                )
        else:
            tag = _free_tag(endpoint.provider, tags | chosen)
        tags.add(tag)
        index = accounts.indices.get(endpoint.provider)
        if index is None:
            _unknown_provider(work, (*path, "provider"), endpoint.provider, accounts.indices)
            continue
        provider = accounts.providers[index]
        spoken = [wire.dialect for wire in provider.wires]
        if endpoint.dialect is not None and endpoint.dialect not in spoken and spoken:
            work.wrong(
                (*path, "dialect"), f"the provider {provider.slug} speaks {' and '.join(spoken)}: {endpoint.dialect}"
            )
        check_tiers(work, (*path, "prices"), endpoint.prices)
        known = offered.at(slug, endpoint.provider, endpoint.model)
        upstream = known[1].model if known else _upstream_model(work, path, slug, endpoint, provider)
        made = endpoint_of(accounts, endpoint, written, upstream=upstream, tag=tag)
        endpoints.append(made if known is None else _filled_in(made, endpoint, *known))
    return endpoints


def _known_endpoints(work: Work, slug: str, written: model.Model, offered: offer.Offer) -> list[snapshot.Endpoint]:
    """The catalogue's endpoints of a model of which only other things were written."""
    entry = offered.entries.get(slug)
    base, suffix = variant.split(slug)
    if entry is None and suffix is not None and base in offered.entries:
        of_base = offer.endpoints(offered.entries[base], offered.accounts)
        if found := variant.chosen(of_base, suffix):
            return found
    if entry is None:
        if not work.is_hurt("models", slug):
            if slug.endswith("*") or not offered.accounts:
                hint = "give endpoints"
            else:
                hint = "give endpoints: the catalogue does not know this model"
            work.wrong(("models", slug), hint, name=slug, known=offered.entries)
        return []
    said = {"input_modalities": "inputs", "output_modalities": "outputs", "supported_parameters": "parameters"}
    changes: dict[str, Any] = {
        field: list(getattr(written, key)) for key, field in said.items() if key in written.model_fields_set
    }
    return [msgspec.structs.replace(one, **changes) for one in offer.endpoints(entry, offered.accounts)]


def _filled_in(
    made: snapshot.Endpoint, written: model.Endpoint, entry: Entry, known: Endpoint, account: offer.Account
) -> snapshot.Endpoint:
    """An endpoint with what the catalogue knows in place of what was not written."""
    whole = offer.endpoint(entry, known, account)
    prices = made.prices or offer.prices(known.prices, provider=account.slug, upstream=made.model, tag=made.tag)
    dialect = whole.dialect if whole.dialect in account.dialects else None
    return msgspec.structs.replace(
        made,
        prices=prices,
        context_length=made.context_length or whole.context_length,
        completion_tokens_max=made.completion_tokens_max or whole.completion_tokens_max,
        dialect=made.dialect or dialect,
        parameters=whole.parameters if made.parameters is None else made.parameters,
        inputs=made.inputs or whole.inputs,
        outputs=made.outputs or whole.outputs,
        quantization=made.quantization or whole.quantization,
    )


def _free_tag(provider: str, taken: set[str]) -> str:
    """The provider's slug, numbered when the model has it already."""
    tag, number = provider, 1
    while tag in taken:
        number += 1
        tag = f"{provider}/{number}"
    return tag


def _unknown_provider(work: Work, path: tuple[Step, ...], slug: str, indices: dict[str, int]) -> None:
    if slug in work.config.providers or work.is_cut("providers", slug):
        return
    if row(slug) is not None:
        work.wrong(
            path, f"the provider {slug} is known but not in this file: add it to providers", name=slug, known=indices
        )
    else:
        work.wrong(path, f"no provider is called {slug}", name=slug, known=work.config.providers)


def _upstream_model(
    work: Work, path: tuple[Step, ...], slug: str, endpoint: model.Endpoint, provider: snapshot.Provider
) -> str:
    """The provider's name for the model. A gateway knows whole slugs; everybody else only what follows the author."""
    is_wildcard = slug.endswith("*")
    if endpoint.model is None:
        if is_wildcard:
            return slug if provider.routing_fields else "*"
        # A variant is the gateway's word; the provider knows the model.
        return slug if provider.routing_fields else variant.split(slug)[0].partition("/")[2]
    stars = endpoint.model.count("*")
    if stars > (1 if is_wildcard else 0):
        work.wrong(
            (*path, "model"),
            "at most one * is replaced" if is_wildcard else "* only means something in a wildcard model",
        )
    return endpoint.model


def endpoint_of(
    accounts: Accounts, written: model.Endpoint, of: model.Model | None, *, upstream: str, tag: str
) -> snapshot.Endpoint:
    """``of`` is the model that it belongs to; what that says about itself counts for its endpoints as well."""
    index = accounts.indices[written.provider]
    parameters = written.supported_parameters
    if parameters is None and of is not None and of.supported_parameters:
        parameters = of.supported_parameters
    inputs, outputs = written.input_modalities, written.output_modalities
    if of is not None:
        # The defaults of a model are for its card; only what somebody wrote is known of its endpoints.
        inputs = inputs or (of.input_modalities if "input_modalities" in of.model_fields_set else None)
        outputs = outputs or (of.output_modalities if "output_modalities" in of.model_fields_set else None)
    return snapshot.Endpoint(
        provider=index,
        model=upstream,
        tag=tag,
        prices=prices_of(written.prices, written.provider, upstream, tag) if written.prices else None,
        context_length=written.context_length,
        completion_tokens_max=written.max_output_tokens,
        dialect=written.dialect,
        parameters=None if parameters is None else list(parameters),
        inputs=list(inputs or ()),
        outputs=list(outputs or ()),
        quantization=written.quantization,
        data_policy=policy_over(accounts.policies[index], written.data_policy),
        weight=written.weight,
        service_tier=None,
        region=written.region,
    )
