CREATE TABLE gatepost_version (
    version_num varchar(32) NOT NULL,
    CONSTRAINT gatepost_version_pkc PRIMARY KEY (version_num)
);

INSERT INTO gatepost_version (version_num) VALUES ('0001');
