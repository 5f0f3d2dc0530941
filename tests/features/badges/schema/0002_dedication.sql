ALTER TABLE badges ADD COLUMN dedication varchar;
