"""What the tests of the console share."""

from support.campaign_shop import shop  # noqa: F401  a fixture
from support.desk import desk  # noqa: F401  another
from support.fresh import fresh  # noqa: F401  another
from support.kept_forms import writing  # noqa: F401  one more
