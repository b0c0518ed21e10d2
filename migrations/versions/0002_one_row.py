"""One row for a trace: its signals and scores stand beside its record, in arrays."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

HERE = Path(__file__).parent


def upgrade() -> None:
    op.get_bind().exec_driver_sql((HERE / "0002_upgrade.sql").read_text())


def downgrade() -> None:
    op.get_bind().exec_driver_sql((HERE / "0002_downgrade.sql").read_text())
