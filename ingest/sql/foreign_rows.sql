-- Refused rows of a foreign file get their number in that file: the reader may have left out some before.
update rejects
set "row" = $numbers["row"]
where file_id = $file_id
