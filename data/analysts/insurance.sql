CREATE TABLE agents (agt_no INTEGER, agt_name TEXT, branch TEXT, region TEXT, hired TEXT, left_on TEXT, mgr_no INTEGER, comm_pct REAL);
INSERT INTO agents VALUES
(101,'Marta Kuiper','Leeuwarden','North','2006-03-01',NULL,NULL,0.085),
(102,'Joost van Elk','Leeuwarden','North','2011-09-15',NULL,101,0.07),
(103,'Sanne Brouwers','Groningen','North','2015-01-05','2022-06-30',101,0.06),
(104,'Pim Hofstra','Groningen','North','2019-04-01',NULL,101,0.055),
(105,'Ilse Verhagen','Utrecht','Central','2008-05-20',NULL,NULL,0.09),
(106,'Rashid Amrani','Utrecht','Central','2013-02-11',NULL,105,0.075),
(107,'Lotte de Wit','Amersfoort','Central','2017-08-28',NULL,105,0.065),
(108,'Bram Okker','Amersfoort','Central','2018-10-01','2021-12-31',105,0.06),
(109,'Thijs Maassen','Eindhoven','South','2007-11-12',NULL,NULL,0.088),
(110,'Nadia El Khatib','Eindhoven','South','2014-06-02',NULL,109,0.072),
(111,'Koen Smeets','Maastricht','South','2016-03-14',NULL,109,0.066),
(112,'Femke Raaijmakers','Maastricht','South','2020-01-06',NULL,109,0.05),
(113,'Daan Wielinga','Leeuwarden','North','2023-09-04',NULL,102,0.04),
(114,'Elif Yildiz','Utrecht','Central','2023-11-01',NULL,106,0.04);

CREATE TABLE holders (holder_id INTEGER, salut TEXT, first_nm TEXT, last_nm TEXT, company_nm TEXT, birth_dt TEXT, postcode TEXT, city TEXT, email TEXT, mobile TEXT, vip CHAR(1));
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<240)
INSERT INTO holders SELECT 5000+i,
 CASE WHEN i%12=5 THEN 'Fa.' WHEN (i%19)%2=0 THEN 'Mw.' ELSE 'Dhr.' END,
 CASE WHEN i%12=5 THEN NULL ELSE '["Anouk","Pieter","Sofie","Hendrik","Yara","Ruben","Mirjam","Stefan","Zeynep","Mark","Carolien","Omar","Tessa","Gijs","Priya","Wouter","Noor","Luc","Ineke"]' ->> (i%19) END,
 CASE WHEN i%12=5 THEN NULL ELSE '["Jansen","Bakker","Visser","Dijkstra","Postma","van der Laan","Mulder","Koster","Peeters","Aydin","Groen","Scholten","de Graaf","Terpstra","Hermans","Willems","Bosch","Ravelli","Kramer","Nouri","Veenstra","Claessen","Timmers"]' ->> ((i*5+2)%23) END,
 CASE WHEN i%12=5 THEN ('["Bakkerij","Garage","Kwekerij","Bouwbedrijf","Drukkerij"]' ->> ((i/12)%5)) || ' ' || ('["Noordster","Veldzicht","De Linde","Maasbrug"]' ->> ((i/12)%4)) END,
 CASE WHEN i%12=5 THEN NULL ELSE printf('%02d.%02d.%d', 1+(i*17+3)%28, 1+((i*29+5)%37)%12, 1938+(i*41+7)%67) END,
 printf('%d %s%s', 1011+(i*7919+13)%8900, substr('ABCDEGHJKLNPRSTV',1+i%16,1), substr('ABCDEGHJKLNPRSTV',1+(i*7)%13,1)),
 '["Leeuwarden","Groningen","Utrecht","Amersfoort","Eindhoven","Maastricht","Zwolle","Arnhem","Breda"]' ->> (((i*i*61+i*9)%89)%9),
 CASE WHEN (i*53+3)%71%6=0 THEN NULL ELSE 'klant'||(5000+i)||'@'||('["postbus.example","mail.example","werk.example"]' ->> ((i*11)%17%3)) END,
 CASE WHEN (i*37+1)%59%7=0 THEN '' ELSE '06-'||(10000000+(i*7654321)%89999999) END,
 CASE WHEN (i*23+5)%67%9=0 THEN 'Y' ELSE 'N' END FROM n;

-- one row per policy version; the version in force has is_current = 1
CREATE TABLE policies (pol_no TEXT, version_no INTEGER, is_current INTEGER, holder_id INTEGER, agt_no INTEGER, lob TEXT, start_dt TEXT, eff_dt TEXT, end_dt TEXT, annual_prem REAL, sum_insured INTEGER, deductible INTEGER, pay_freq CHAR(1), status TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<330),
p AS (SELECT i, 1+((i*37+5)%41%4=1)+((i*59+2)%43%5=1) nv, date('2016-01-01','+'||((i*7919+13)%2900)||' days') st, ((i*83+17)%101)%12 lb, ((i*71+29)%103)%20 sx FROM n),
v(v) AS (VALUES (1),(2),(3))
INSERT INTO policies SELECT 'P'||(100000+i*37), v, CASE WHEN v=nv THEN 1 ELSE 0 END,
 5001+((i*139+31)%251)%225, CASE WHEN (i*47)%61=7 THEN NULL ELSE 101+((i*i*43+i*11+3)%107)%12 END,
 CASE WHEN lb<5 THEN 'MOT' WHEN lb<8 THEN 'HOM' WHEN lb<10 THEN 'LIA' WHEN lb=10 THEN 'TRV' ELSE 'LIF' END,
 st, CASE WHEN v=1 THEN st ELSE date(st,'+'||(v*9+i%5)||' months') END,
 CASE WHEN sx<12 OR v<nv THEN NULL ELSE date(st,'+'||(20+(i*13)%31)||' months') END,
 round(145+((i*6131+77)%1409)*0.85+v*31.4,2),
 CASE WHEN lb<5 THEN 5000+((i*53)%79)*500 WHEN lb<8 THEN 150000+((i*67)%97)*2500 WHEN lb<10 THEN 1000000 WHEN lb=10 THEN 20000+((i*7)%11)*1000 ELSE 50000+((i*11)%23)*10000 END,
 '[0,150,250,500,1000]' ->> (((i*29+v)%47)%5), substr('MMMQY',1+((i*31+3)%53)%5,1),
 CASE WHEN sx<12 OR v<nv THEN 'ACT' WHEN sx<15 THEN 'LAP' WHEN sx<18 THEN 'CAN' ELSE 'EXP' END
 FROM p JOIN v ON v<=nv;

CREATE TABLE cause_codes (cd TEXT, descr TEXT);
INSERT INTO cause_codes VALUES ('FI','Fire'),('WA','Water damage'),('TH','Theft'),('CO','Collision'),('ST','Storm / hail'),('BI','Bodily injury'),('GL','Glass breakage'),('LG','Lost luggage'),('AN','Animal collision'),('EQ','Earthquake');

CREATE TABLE claims (claim_no TEXT, pol_no TEXT, loss_dt TEXT, report_dt TEXT, cause_cd TEXT, status_cd TEXT, est_amt REAL, reserve_amt REAL, adjuster TEXT, closed_dt TEXT, fraud_flag INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<640),
c AS (SELECT i, date('2019-01-01','+'||((i*i*37+i*3571+5)%1990)||' days') ld, ((i*67+19)%109)%10 sx FROM n)
INSERT INTO claims SELECT 'CLM'||(70000+i), CASE WHEN i%107=0 THEN 'P9'||(10000+i) ELSE 'P'||(100000+(((i*i*17+i*4421+7)%997)%290+1)*37) END,
 ld, date(ld,'+'||((i*13+2)%23)||' days'),
 CASE WHEN (i*19+3)%73%11=0 THEN NULL ELSE '["CO","WA","TH","CO","ST","GL","FI","WA","BI","CO","LG","ST","AN"]' ->> (((i*101+3)%113)%13) END,
 CASE WHEN sx<6 THEN 'CLSD' WHEN sx<8 THEN 'OPEN' WHEN sx=8 THEN 'REJ' ELSE 'REOP' END,
 round(120+((i*5923+41)%2003)*6.35,2),
 CASE WHEN sx IN (6,7,9) THEN CASE WHEN (i*17)%31<4 THEN NULL ELSE round(200+((i*4201+9)%1511)*9.7,2) END ELSE 0 END,
 CASE WHEN (i*29+7)%79%8=0 THEN NULL ELSE '["H. Zuidema","C. Lambrecht","M. Tahiri","P. Overbeek","S. Duyvis"]' ->> (((i*i*73+i*5+1)%83)%5) END,
 CASE WHEN sx IN (6,7,9) THEN NULL ELSE date(ld,'+'||(25+(i*97)%211)||' days') END,
 CASE WHEN (i*11+6)%127%17=0 THEN 1 ELSE 0 END FROM c;
CREATE TABLE claims_bak_2022 AS SELECT * FROM claims WHERE report_dt < '2022-01-01';

-- pay_ts: epoch seconds; REC = recovery (negative)
CREATE TABLE payments (pay_id INTEGER, claim_no TEXT, pay_ts INTEGER, amt_cents INTEGER, pay_type TEXT, payee TEXT, method TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<980)
INSERT INTO payments SELECT 300000+i, claim_no, strftime('%s',report_dt)+86400*(4+(i*19)%160)+(i*7919)%40000+28800,
 CASE WHEN (i*41+3)%89<7 THEN -1 ELSE 1 END*(4500+((i*i*3+i*9343+101)%7001)*71),
 CASE WHEN (i*41+3)%89<7 THEN 'REC' WHEN (i*41+3)%89<24 THEN 'EXP' ELSE 'IND' END,
 '["holder","garage","holder","third party","hospital","contractor"]' ->> (((i*59+1)%97)%6),
 CASE WHEN (i*7+2)%37%5=0 THEN 'CHQ' ELSE 'TRF' END
 FROM n JOIN claims ON claims.claim_no='CLM'||(70001+((i*i*7+i*5501+3)%1009)%560) WHERE status_cd<>'REJ';

CREATE TABLE prem_inv (inv_no INTEGER, pol_no TEXT, due_dt TEXT, amt REAL, paid_dt TEXT, dunning_lvl INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1500)
INSERT INTO prem_inv SELECT 880000+i, 'P'||(100000+(((i*i*19+i*6007+3)%1511)%310+1)*37), date('2021-01-01','+'||((i*i*5+i*2749+8)%1461)||' days'),
 round(18+((i*i*3+i*1777+5)%1901)*0.37,2),
 CASE WHEN (i*61+4)%137<15 THEN NULL ELSE date('2021-01-01','+'||((i*i*5+i*2749+8)%1461+((i*23+1)%43)-9)||' days') END,
 CASE WHEN (i*61+4)%137<15 THEN (i*13)%17%4 ELSE 0 END FROM n;
