"""Judged panes are added up to hours and days: how much time a row holds stands beside it."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        """
        -- 0: one pane as it was judged.
        ALTER TABLE panes ADD COLUMN width interval NOT NULL DEFAULT '0';
        CREATE INDEX panes_width ON panes (width, pane);
        """
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql("ALTER TABLE panes DROP COLUMN width")
