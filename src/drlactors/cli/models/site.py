"""What the commands about models work on: the registrar of a log, and how its site is configured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from drlactors.cli.whereabouts import Whereabouts

if TYPE_CHECKING:
    from drlactors.actors.registrar import Registrar
    from drlactors.config.settings import Settings
    from drlactors.domain.features import FeatureSchema


class Site(NamedTuple):
    settings: "Settings"
    schema: "FeatureSchema"


@contextmanager
def opened(where: Whereabouts) -> Iterator[tuple["Registrar", Site]]:
    """The registrar on the log that a command was pointed to."""
    from drlactors.actors.registrar import Registrar
    from drlactors.domain.features import FeatureSchema
    from drlactors.wiring import SystemClock, reading

    with reading(*where) as (log, settings):
        schema = FeatureSchema(settings.features.names, settings.features.missing)
        yield Registrar(log, SystemClock()), Site(settings, schema)


def configured(site: Site) -> str:
    """The policy that acts where the registry names none: the configured model, or the rules where it cannot."""
    from drlactors.inference import RulePolicy, load_model
    from drlactors.ports.policy import PolicyError
    from drlactors.wiring import model_path, trust

    try:
        return load_model(model_path(site.settings), site.schema, trust(site.settings)).info.id
    except PolicyError:
        return RulePolicy(site.schema).info.id
