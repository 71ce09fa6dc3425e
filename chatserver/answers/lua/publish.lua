-- What is published from within a script, as the rings of appends are: the doorbell tries itself out this way.
--
-- ARGV  1 channel  2 message
return redis.call('PUBLISH', ARGV[1], ARGV[2])
