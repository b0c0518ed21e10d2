"""The sentences that a score judged, with their evidence and the words that come from nowhere."""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"

HERE = Path(__file__).parent


def upgrade() -> None:
    op.get_bind().exec_driver_sql((HERE / "0012_upgrade.sql").read_text())


def downgrade() -> None:
    op.get_bind().exec_driver_sql((HERE / "0012_downgrade.sql").read_text())
