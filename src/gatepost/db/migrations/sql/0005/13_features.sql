-- Which version the tables of each feature have: a row for each that has any.
CREATE TABLE gatepost_features (
    feature varchar PRIMARY KEY,
    version varchar NOT NULL
);

COMMENT ON TABLE gatepost_features IS 'Which version the tables of each feature have.';
