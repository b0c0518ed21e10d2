"""A baseline knows which panes shaped its feature maps: explanations leave them out."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.get_bind().exec_driver_sql("ALTER TABLE baselines ADD COLUMN shaped timestamptz[] NOT NULL DEFAULT '{}'")


def downgrade() -> None:
    op.get_bind().exec_driver_sql("ALTER TABLE baselines DROP COLUMN shaped")
