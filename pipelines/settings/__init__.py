"""What the operator chose, read once from the environment and `.env` into one frozen, typed object.

`load_settings` is the only reader of the process environment in the product, besides what starts the web process (see
`pipelines.environment`); everything else is handed a `Settings`. Each variable is described once, by subject in
`deployment`, `filming` and `selling`; `.env.example` and docs/reference/settings.md are generated from there. Knows no
vendor and opens no connection.
"""

from pipelines.environment import Origin
from pipelines.settings.loading import SettingsError, load_settings, own_settings
from pipelines.settings.model import Settings
from pipelines.settings.values import BootstrapKey, StorageTarget, webhook_key
from pipelines.settings.variables import VIDEO, Address, OwnSettings, Variable, in_sections, variable, variables

__all__ = [
    "VIDEO",
    "Address",
    "BootstrapKey",
    "Origin",
    "OwnSettings",
    "Settings",
    "SettingsError",
    "StorageTarget",
    "Variable",
    "in_sections",
    "load_settings",
    "own_settings",
    "variable",
    "variables",
    "webhook_key",
]
