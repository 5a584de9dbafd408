"""What the pages of one application have in common: addresses of the other hosts, and the navigation.

Guarantees: a page is in the navigation of exactly those people whom its rule admits; an entry exists only together
with the pages it leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tre.domain.people import Person
from tre.system.languages import Language
from tre.system.settings import Settings


def _everybody(_person: Person) -> bool:
    return True


@dataclass(frozen=True)
class NavigationItem:
    """One entry of the navigation: what it is called, where it leads, who sees it, and what it is for.

    Entries with a purpose are explained on the first page after signing in.
    """

    text: str
    href: str
    shown_to: Callable[[Person], bool] = _everybody
    purpose: str = ""

    def is_current(self, path: str) -> bool:
        """Whether a path lies under the entry."""
        return path == self.href or (self.href != "/" and path.startswith(f"{self.href}/"))


@dataclass(frozen=True)
class Site:
    """One application's surroundings."""

    home: str
    public_url: str
    desk_url: str
    settings: Settings
    navigation: tuple[NavigationItem, ...] = ()
    public_navigation: tuple[NavigationItem, ...] = ()
    languages: tuple[Language, ...] = ()
    """Those of the public pages; the first is the one of texts that people write here."""

    def published_at(self, origin: str) -> Site:
        """The same for pages that stand at another origin."""
        return replace(self, public_url=f"{origin}/")

    def speaks(self, languages: tuple[Language, ...]) -> Site:
        """The same in these languages."""
        return replace(self, languages=languages)

    def shell_url(self, workspace: str) -> str:
        """Where a workspace is opened."""
        return self.settings.origin(f"{workspace}.open") + "/"


def site_for(
    settings: Settings,
    navigation: tuple[NavigationItem, ...] = (),
    public_navigation: tuple[NavigationItem, ...] = (),
) -> Site:
    """The surroundings by the settings."""
    return Site(
        home="/",
        public_url=settings.origin() + "/",
        desk_url=settings.origin("desk") + "/",
        settings=settings,
        navigation=navigation,
        public_navigation=public_navigation,
    )
