"""Feedback, what was calibrated with it, and certificates."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

HERE = Path(__file__).parent


def upgrade() -> None:
    op.get_bind().exec_driver_sql((HERE / "0003_upgrade.sql").read_text())


def downgrade() -> None:
    op.get_bind().exec_driver_sql((HERE / "0003_downgrade.sql").read_text())
