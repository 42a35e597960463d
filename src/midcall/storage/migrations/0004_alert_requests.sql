-- Which request an alert is about, as notifications show it.
ALTER TABLE alerts ADD COLUMN request_method TEXT;
ALTER TABLE alerts ADD COLUMN webhook TEXT;
