"""A zone whose clocks are moved, for what must not count by them."""

from datetime import datetime, timedelta, tzinfo


class Clocks(tzinfo):
    """Two hours ahead of UTC; one, where ``fold`` is set."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1 if moment is not None and moment.fold else 2)

    def dst(self, moment: datetime | None) -> timedelta:
        return self.utcoffset(moment) - timedelta(hours=1)

    def tzname(self, moment: datetime | None) -> str:
        return str(self.utcoffset(moment))
