-- What was found in the batch before is forgotten.
delete from batch;
delete from surveyed;
delete from broken;
