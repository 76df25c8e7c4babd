"""The command line. One file per command; this one only gathers them.

The functions are private because each command's module has the public one, under its own name. Nothing is imported here
that a command may not need: ``turnout --version`` should not wait for a database library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        help="Configuration file. Default: $TURNOUT_CONFIG, else turnout.yaml here, else the environment.",
    ),
]
StateOption = Annotated[
    Path | None, typer.Option("--state", help="State directory. Default: server.state_dir of the configuration.")
]

app = typer.Typer(
    name="turnout",
    help="Self-hosted LLM gateway: one base URL and one key for every model and provider.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
key_app = typer.Typer(help="Keys that the gateway made itself.", no_args_is_help=True)
app.add_typer(key_app, name="key")
provider_app = typer.Typer(help="Known providers, and whether they answer.", no_args_is_help=True)
app.add_typer(provider_app, name="provider")
catalog_app = typer.Typer(help="The models that Turnout knows by itself.", no_args_is_help=True)
app.add_typer(catalog_app, name="catalog")
secrets_app = typer.Typer(help="What the database keeps encrypted.", no_args_is_help=True)
app.add_typer(secrets_app, name="secrets")
byok_app = typer.Typer(help="Provider keys of somebody's own, in the database.", no_args_is_help=True)
app.add_typer(byok_app, name="byok")


def main() -> None:
    """The entry point of the command ``turnout``."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        import turnout

        typer.echo(f"turnout {turnout.__version__}")
        raise typer.Exit


@app.callback()
def _turnout(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Self-hosted LLM gateway: one base URL and one key for every model and provider."""


@app.command("serve")
def _serve(
    config: ConfigOption = None,
    listen: Annotated[
        list[str] | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Listen here instead of server.listen. May be repeated."),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Serve the scripted provider as model demo/echo.")] = False,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Let everyone in without a key; only on loopback addresses.")
    ] = False,
    state: StateOption = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=256, help="Serving threads. Default: one per core.")
    ] = None,
) -> None:
    """Start the gateway."""
    from turnout.cli.serve import serve as command

    raise typer.Exit(
        command(
            config=config, listen=tuple(listen or ()), demo=demo, auth=not no_auth, state_dir=state, threads=threads
        )
    )


@app.command("check")
def _check(config: ConfigOption = None) -> None:
    """Check a configuration and report every mistake."""
    from turnout.cli.check import check as command

    raise typer.Exit(command(config))


@app.command("explain")
def _explain(
    model: Annotated[str | None, typer.Argument(help="A model's slug, alias, or any name a client would send.")] = None,
    config: ConfigOption = None,
) -> None:
    """Show the compiled configuration, or what a model's name leads to."""
    from turnout.cli.explain import explain as command

    raise typer.Exit(command(model, config))


@app.command("route")
def _route(
    file: Annotated[Path, typer.Argument(help="Body of a request, as JSON; - for the standard input.")],
    model: Annotated[str | None, typer.Option("--model", help="Asked for instead of the body's own.")] = None,
    api: Annotated[str, typer.Option("--api", help="chat, responses, messages, gemini, embeddings …")] = "chat",
    key: Annotated[str | None, typer.Option("--key", metavar="NAME", help="As the client key of this name.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, metavar="N", help="Makes draws repeatable.")] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Ask a running gateway, with its admin key in $TURNOUT_ADMIN_KEY."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show where a request would go and why, without sending it."""
    from turnout.cli.route import Wish
    from turnout.cli.route import route as command

    wish = Wish(file=file, api=api, model=model, key=key, seed=seed, as_json=as_json)
    raise typer.Exit(command(wish, config=config, url=url))


@app.command("price")
def _price(
    model: Annotated[str, typer.Argument(help="A model's slug, alias, or any name a client would send.")],
    prompt: Annotated[int, typer.Option("--prompt", min=0, metavar="N", help="Tokens read, cached ones included.")] = 0,
    completion: Annotated[
        int, typer.Option("--completion", min=0, metavar="N", help="Tokens generated, thought included.")
    ] = 0,
    cached: Annotated[int, typer.Option("--cached", min=0, metavar="N", help="Part of the prompt that is cached.")] = 0,
    cache_write: Annotated[
        int, typer.Option("--cache-write", min=0, metavar="N", help="Part of the prompt that is put into the cache.")
    ] = 0,
    reasoning: Annotated[
        int, typer.Option("--reasoning", min=0, metavar="N", help="Part of the completion that is thought.")
    ] = 0,
    tier: Annotated[
        str | None, typer.Option("--tier", metavar="NAME", help="Service tier: flex, priority or batch.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, in nano-dollars.")] = False,
    config: ConfigOption = None,
) -> None:
    """Show what a request would cost at each endpoint of a model."""
    from turnout.cli.price import price as command

    usage = {
        "prompt": prompt,
        "completion": completion,
        "total": prompt + completion,
        "cached": cached,
        "cache_write": cache_write,
        "reasoning": reasoning,
    }
    raise typer.Exit(command(model, config, usage, tier, as_json=as_json))


@app.command("init")
def _init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("turnout.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a small configuration to start from."""
    from turnout.cli.init import init as command

    raise typer.Exit(command(path, force))


@app.command("mock")
def _mock(
    listen: Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Port 0 picks one.")] = "127.0.0.1:4010",
    threads: Annotated[int, typer.Option("--threads", min=1, max=256, help="Serving threads.")] = 1,
    record: Annotated[bool, typer.Option("--record", help="Keep what is received, for GET /__mock/received.")] = False,
) -> None:
    """Run the scripted model provider alone, until interrupted.

    It speaks the dialects of OpenAI (chat and responses, images, audio), Anthropic, Gemini, Bedrock, Cohere and Ollama.
    What it answers, how fast and how wrongly is written into the model's name or the header x-mock: GET /__mock/manual
    of the running provider lists its endpoints and every key.
    """
    from turnout.cli.mock import mock as command

    raise typer.Exit(command(listen=listen, threads=threads, record=record))


@key_app.command("new")
def _key_new(
    config: ConfigOption = None,
    state: StateOption = None,
    admin: Annotated[bool, typer.Option("--admin", help="The admin key instead of the client key.")] = False,
) -> None:
    """Make a key in place of the stored one, and show it once. A running gateway takes it within two seconds."""
    from turnout.cli.key import new

    raise typer.Exit(new(config=config, state_dir=state, purpose="admin" if admin else "client"))


@provider_app.command("list")
def _provider_list(config: ConfigOption = None) -> None:
    """List the known providers, and which are on."""
    from turnout.cli.provider import list_providers

    raise typer.Exit(list_providers(config))


@provider_app.command("show")
def _provider_show(
    name: Annotated[str, typer.Argument(help="A provider's slug.")],
    config: ConfigOption = None,
) -> None:
    """Show what is known of a provider."""
    from turnout.cli.provider import show

    raise typer.Exit(show(name, config))


@provider_app.command("test")
def _provider_test(
    name: Annotated[str, typer.Argument(help="A provider's slug, in the configuration or known.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="The provider's own name of the model to ask. Default: a cheap one of the catalogue."
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Send one small real request over each protocol of a provider, with the configured key."""
    from turnout.cli.provider import test

    raise typer.Exit(test(name, model, config))


@secrets_app.command("rotate")
def _secrets_rotate(config: ConfigOption = None, state: StateOption = None) -> None:
    """Encrypt the provider keys of the API again, with a new key or the first of server.encryption_keys."""
    from turnout.cli.secrets import rotate

    raise typer.Exit(rotate(config=config, state_dir=state))


@byok_app.command("list")
def _byok_list(config: ConfigOption = None, state: StateOption = None) -> None:
    """List the keys in the order in which they are tried, masked, and why one is not used."""
    from turnout.cli.byok import list_keys

    raise typer.Exit(list_keys(config=config, state_dir=state))


@byok_app.command("add")
def _byok_add(
    provider: Annotated[str, typer.Argument(help="A provider's slug, in the configuration or known.")],
    name: Annotated[str | None, typer.Option("--name", help="For people.")] = None,
    fallback: Annotated[bool, typer.Option("--fallback", help="Try it after all others instead of first.")] = False,
    required: Annotated[
        bool, typer.Option("--required", help="Never use the provider's shared keys where this one fits.")
    ] = False,
    only: Annotated[
        bool, typer.Option("--only", help="As --required, also for models that --model leaves out.")
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="SLUG", help="Only for this model, or author/*. May be repeated."),
    ] = None,
    user: Annotated[
        list[str] | None, typer.Option("--user", metavar="ID", help="Only for requests of this user. May be repeated.")
    ] = None,
    client: Annotated[
        list[str] | None,
        typer.Option("--client", metavar="NAME", help="Only for the client key of this name. May be repeated."),
    ] = None,
    config: ConfigOption = None,
    state: StateOption = None,
) -> None:
    """Take a key in and print its id. The key is read from the standard input, or asked for."""
    from turnout.cli.byok import Wish
    from turnout.cli.byok import add as command

    wish = Wish(
        provider=provider,
        name=name,
        is_fallback=fallback,
        is_required=required,
        is_byok_only=only,
        models=tuple(model or ()),
        users=tuple(user or ()),
        clients=tuple(client or ()),
    )
    raise typer.Exit(command(wish, config=config, state_dir=state))


ByokIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The key's id, or its first characters.")]


@byok_app.command("disable")
def _byok_disable(said: ByokIdArgument, config: ConfigOption = None, state: StateOption = None) -> None:
    """Keep a key and use it no more."""
    from turnout.cli.byok import disable

    raise typer.Exit(disable(said, config=config, state_dir=state))


@byok_app.command("enable")
def _byok_enable(said: ByokIdArgument, config: ConfigOption = None, state: StateOption = None) -> None:
    """Use a key again."""
    from turnout.cli.byok import enable

    raise typer.Exit(enable(said, config=config, state_dir=state))


@byok_app.command("delete")
def _byok_delete(said: ByokIdArgument, config: ConfigOption = None, state: StateOption = None) -> None:
    """Delete a key, and what was kept of it."""
    from turnout.cli.byok import delete

    raise typer.Exit(delete(said, config=config, state_dir=state))


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@catalog_app.command("show")
def _catalog_show(
    slug: Annotated[str | None, typer.Argument(help="A model: its slug, or another name of it.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="All models of a provider instead.")] = None,
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a model, the models of a provider, or what there is."""
    from turnout.cli.catalog import show

    raise typer.Exit(show(slug=slug, provider=provider, state_dir=state, config=config, as_json=as_json))


@catalog_app.command("diff")
def _catalog_diff(
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Compare with a catalogue, or a list of models.dev, litellm or OpenRouter."),
    ] = None,
    config: ConfigOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the catalogue with a file, the packaged one or the installed price list, and with the configuration."""
    from turnout.cli.catalog import diff

    raise typer.Exit(diff(file=file, state_dir=state, config=config, as_json=as_json))


@catalog_app.command("update")
def _catalog_update(
    places: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="FILE|URL|NAME",
            help="A file, an https URL, or models.dev, litellm, openrouter. May be repeated. "
            "Default: models.dev and litellm, downloaded.",
        ),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last update back.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Take it even if half of the models would be lost.")] = False,
    config: ConfigOption = None,
    state: StateOption = None,
) -> None:
    """Lay newer prices, limits and models over the catalogue; nothing is downloaded except by this command."""
    from turnout.cli.catalog import run_update

    raise typer.Exit(run_update(places=tuple(places or ()), state_dir=state, config=config, undo=undo, force=force))
