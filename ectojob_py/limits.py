"""What the database takes at most. The worker keeps to it: what is refused would be asked again and again."""

from datetime import timedelta

LONGEST_TIMEOUT = timedelta(days=30)
"""Of a lease before it is multiplied by the attempt, and of an extension, as ``check_timeout`` has it."""

LONGEST_RETRY = timedelta(days=3650)
"""From a failure to the next attempt, as ``check_retry_in`` has it."""
