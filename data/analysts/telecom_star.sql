CREATE TABLE dim_date (
  date_key INTEGER PRIMARY KEY,   -- YYYYMMDD
  full_date TEXT, day_name TEXT,
  day_of_week INTEGER,            -- 1 = Monday
  month_key INTEGER,              -- YYYYMM
  month_name TEXT,
  quarter_no INTEGER,
  year_no INTEGER,
  weekend_flag TEXT,
  holiday_name TEXT
);
CREATE TABLE dim_time (
  time_key INTEGER PRIMARY KEY,   -- quarter hours, 1 to 96
  hour_no INTEGER, minute_no INTEGER,
  day_part TEXT,
  peak_flag TEXT                  -- P peak, O off-peak
);
CREATE TABLE dim_tariff (
  tariff_key INTEGER PRIMARY KEY,
  tariff_code TEXT,
  tariff_name TEXT,
  pay_type TEXT,                  -- PRE, POST
  monthly_fee REAL,
  incl_minutes INTEGER,           -- NULL = unlimited
  incl_data_gb REAL, launch_date TEXT,
  withdrawn_date TEXT
);
CREATE TABLE dim_subscriber (
  subscriber_key INTEGER PRIMARY KEY,  -- one per version
  subscriber_id TEXT,
  msisdn TEXT,
  full_name TEXT,
  segment TEXT,                   -- RES, SME, COR
  city TEXT,
  region TEXT,
  status TEXT,                    -- A active, S suspended, T terminated
  birth_year INTEGER,
  valid_from INTEGER, valid_to INTEGER,
  current_flag TEXT
);
CREATE TABLE fact_call (
  call_id INTEGER,
  date_key INTEGER, time_key INTEGER,
  subscriber_key INTEGER,
  tariff_key INTEGER,
  svc_type TEXT,                  -- V voice, S sms
  direction TEXT,                 -- O outgoing, I incoming
  duration_sec INTEGER,
  charge_amt REAL,
  dest_country TEXT,              -- NULL = domestic
  roaming_flag TEXT,
  dropped_flag TEXT
);
CREATE TABLE fact_subscriber_month (
  month_key INTEGER,
  subscriber_key INTEGER,
  tariff_key INTEGER,
  voice_min INTEGER, sms_cnt INTEGER, data_mb INTEGER,
  billed_amt REAL,
  paid_amt REAL,
  balance_eom REAL,
  complaint_cnt INTEGER,
  churn_flag TEXT
);
WITH RECURSIVE d(x) AS (SELECT '2023-01-01' UNION ALL SELECT DATE(x,'+1 day') FROM d WHERE x<'2024-12-31')
INSERT INTO dim_date SELECT CAST(STRFTIME('%Y%m%d',x) AS INT), x,
 json_extract('["Sunday","Monday","Tuesday","Wednesday","Thursday","Friday","Saturday"]','$['||STRFTIME('%w',x)||']'), (STRFTIME('%w',x)+6)%7+1, CAST(STRFTIME('%Y%m',x) AS INT),
 json_extract('["January","February","March","April","May","June","July","August","September","October","November","December"]','$['||(STRFTIME('%m',x)-1)||']'),
 (STRFTIME('%m',x)+2)/3, CAST(STRFTIME('%Y',x) AS INT), CASE WHEN STRFTIME('%w',x) IN ('0','6') THEN 'Y' ELSE 'N' END,
 CASE STRFTIME('%m-%d',x) WHEN '01-01' THEN 'New Year' WHEN '05-01' THEN 'Labour Day' WHEN '08-15' THEN 'Assumption' WHEN '12-25' THEN 'Christmas Day' WHEN '12-26' THEN 'St Stephen''s Day' END FROM d;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<96)
INSERT INTO dim_time SELECT i, (i-1)/4, (i-1)%4*15, CASE WHEN i<=24 THEN 'Night' WHEN i<=48 THEN 'Morning' WHEN i<=72 THEN 'Afternoon' ELSE 'Evening' END, CASE WHEN i BETWEEN 33 AND 80 THEN 'P' ELSE 'O' END FROM n;
INSERT INTO dim_tariff VALUES
(-1,'N/A','Unknown',NULL,NULL,NULL,NULL,NULL,NULL),
(1,'PAYG1','Easy Top-up','PRE',0,0,0,'2017-03-01',NULL),(2,'PAYG2','Chat & Go','PRE',5,60,1,'2019-09-15',NULL),
(3,'SM20','Smart 20','POST',20,300,10,'2018-05-02',NULL),(4,'SM35','Smart 35','POST',35,NULL,40,'2020-02-10',NULL),
(5,'BIZ1','Business Start','POST',28,600,15,'2016-11-01',NULL),(6,'BIZ2','Business Max','POST',60,NULL,120,'2021-06-01',NULL),
(7,'YNG','Young Talk','POST',12,120,8,'2015-08-20','2023-09-30'),(8,'SNR','Senior Simple','POST',9,200,1,'2024-11-04',NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<90), v(j) AS (SELECT 1 UNION SELECT 2 UNION SELECT 3),
s AS (SELECT i, j, CASE j WHEN 1 THEN DATE('2020-03-01','+'||((i*40343%32003)%1150)||' days') WHEN 2 THEN DATE('2023-05-03','+'||((i*28657%10007)%200)||' days') ELSE DATE('2024-01-15','+'||((i*9901%7919)%220)||' days') END f
 FROM n, v WHERE j=1 OR (j=2 AND (i*7%5<2)) OR (j=3 AND (i*7%5=0)))
INSERT INTO dim_subscriber(subscriber_id,msisdn,full_name,segment,city,status,birth_year,valid_from,valid_to,current_flag)
SELECT 'S'||(20400+i), '6'||(91000000+(i*73133%99991)*13),
 CASE WHEN i%6=4 THEN json_extract('["Lumen Bakery","Torrado & Filhos","Norte Logistics","Clinica Vega","Hostel Brisa","Atlas Print","Quinta Velha Wines","Delta Taxis","Pixel Forge","Museu do Mar","Oficina Ramos","Solar Tejo","Bela Vista School","Carvalho Legal","Rota Travel"]','$['||(i/6)||']')
 ELSE json_extract('["Amélia","Bastian","Camila","Dário","Elsa","Fabio","Gonçalo","Hanna","Iris","Jorge","Katia"]','$['||(i*5%11)||']')||' '||json_extract('["Moniz","Prates","Salgueiro","Teles","Varela","Brandão","Cordeiro","Falcão"]','$['||(i*3%8)||']') END,
 CASE WHEN i%6<>4 THEN 'RES' WHEN i%12=4 THEN 'SME' ELSE 'COR' END,
 json_extract('["Aveiro","Braga","Évora","Lagos","Viseu","Guarda","Braga","Tomar"]','$['||(((i*47+CASE WHEN i%2=0 THEN j ELSE 0 END*31)%101)%8)||']'),
 CASE WHEN i%11=3 AND NOT EXISTS (SELECT 1 FROM s b WHERE b.i=s.i AND b.j>s.j) THEN 'T' WHEN (i*17+j*5)%13=0 THEN 'S' ELSE 'A' END,
 CASE WHEN i%6<>4 AND i%9<>2 THEN 1945+(i*7331%1009)%61 END, CAST(STRFTIME('%Y%m%d',f) AS INT),
 COALESCE((SELECT CAST(STRFTIME('%Y%m%d',DATE(MIN(b.f),'-1 day')) AS INT) FROM s b WHERE b.i=s.i AND b.j>s.j),99991231),
 CASE WHEN EXISTS (SELECT 1 FROM s b WHERE b.i=s.i AND b.j>s.j) THEN 'N' ELSE 'Y' END FROM s ORDER BY i, j;
UPDATE dim_subscriber SET region = CASE WHEN city IN ('Braga','Viseu','Guarda') THEN 'North' WHEN city IN ('Aveiro','Tomar') THEN 'Centre' ELSE 'South' END;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2400),
c AS (SELECT i, 'S'||(20400+1+((i*48271%65521)+i/800)%86) sid, DATE('2023-01-01','+'||((i*39119%36007)%731)||' days') d, CASE WHEN (i*52183%45007)%100<70 THEN 'V' ELSE 'S' END sv, CASE WHEN (i*31337%28657)%10<7 THEN 'O' ELSE 'I' END dir, (i*60101%40009)%100 h FROM n)
INSERT INTO fact_call SELECT 900000+i, CAST(STRFTIME('%Y%m%d',d) AS INT), 1+(i*44017%32003)%(CASE WHEN i%3=0 THEN 96 ELSE 44 END)+CASE WHEN i%3=0 THEN 0 ELSE 36 END, subscriber_key,
 CASE WHEN i%71=0 THEN -1 WHEN segment<>'RES' THEN 5+(subscriber_key*7331%101)%2 WHEN (subscriber_key*7331%101)%5=4 THEN 7 ELSE 1+(subscriber_key*7331%101)%5 END, sv, dir,
 CASE sv WHEN 'V' THEN 4+(i*27409%40009)%(CASE WHEN i%13=0 THEN 3400 ELSE 560 END) ELSE 0 END,
 CASE WHEN dir='I' THEN 0 WHEN sv='S' THEN CASE WHEN h<12 THEN 0.25 ELSE 0.06 END ELSE ROUND((4+(i*27409%40009)%(CASE WHEN i%13=0 THEN 3400 ELSE 560 END))/60.0*CASE WHEN h<12 THEN 0.55 ELSE 0.09 END,2) END,
 CASE WHEN h<12 AND dir='O' THEN json_extract('["Spain","Brazil","France","Angola","Spain","Switzerland","Cape Verde"]','$['||((i*733%1009)%7)||']') END,
 CASE WHEN h BETWEEN 12 AND 18 THEN 'Y' ELSE 'N' END, CASE WHEN sv='S' THEN NULL WHEN (i*61403%50021)%19=0 THEN 'Y' ELSE 'N' END
 FROM c JOIN dim_subscriber ON subscriber_id=sid AND CAST(STRFTIME('%Y%m%d',d) AS INT) BETWEEN valid_from AND valid_to AND NOT (status='T' AND CAST(STRFTIME('%Y%m',d) AS INT)>MAX(valid_from/100,202403+subscriber_key%9));
WITH t AS (SELECT month_key, subscriber_key, status, valid_from/100 f, (subscriber_key*60101+month_key*4421)%50021 h, (subscriber_key*71+month_key*29)%421 v,
 CASE WHEN segment<>'RES' THEN 5+(subscriber_key*7331%101)%2 WHEN (subscriber_key*7331%101)%5=4 THEN 7 ELSE 1+(subscriber_key*7331%101)%5 END tk
 FROM (SELECT month_key, MAX(date_key) me FROM dim_date GROUP BY month_key) JOIN dim_subscriber ON me BETWEEN valid_from AND valid_to WHERE NOT (status='T' AND month_key>MAX(valid_from/100,202403+subscriber_key%9))),
u AS (SELECT t.*, ROUND(monthly_fee+h%900/100.0,2) b, incl_data_gb g FROM t JOIN dim_tariff ON tariff_key=tk)
INSERT INTO fact_subscriber_month SELECT month_key, subscriber_key, tk, CASE WHEN status='S' THEN 0 ELSE v END, h%61, CAST((subscriber_key*9973+month_key*31)%(g*1100+1) AS INT), b,
 CASE WHEN h%9=0 THEN 0 WHEN h%9=1 THEN ROUND(b*0.5,2) ELSE b END, CASE WHEN h%9=0 THEN b WHEN h%9=1 THEN ROUND(b-ROUND(b*0.5,2),2) ELSE 0 END,
 CASE WHEN h%23=0 THEN 2 WHEN h%7=0 THEN 1 ELSE 0 END, CASE WHEN status='T' AND month_key=MAX(f,202403+subscriber_key%9) THEN 'Y' ELSE 'N' END FROM u;
