CREATE TABLE tbl_rep (rep_id INTEGER, rep_nm TEXT, team TEXT, mgr_id INTEGER, hire_dt TEXT);
INSERT INTO tbl_rep VALUES (1,'Ilse Brandvold','Enterprise',NULL,'2018-03-05'),(2,'Tobias Achterberg','Enterprise',1,'2019-09-16'),(3,'Noor Haddadi','Mid-Market',1,'2020-01-13'),(4,'Paulo Quintela','Mid-Market',3,'2021-05-03'),(5,'Greta Lindqvist','SMB',3,'2021-11-22'),(6,'Sean O''Malley','SMB',5,'2022-08-01'),(7,'Yumi Tanabe','SMB',5,'2023-02-20'),(8,'Dario Fontanelli','Enterprise',1,'2024-06-10');
CREATE TABLE tbl_plan (plan_cd TEXT, plan_nm TEXT, cycle TEXT, price_cents INTEGER, legacy_flg TEXT);
INSERT INTO tbl_plan VALUES ('STM','Starter Monthly','M',900,'N'),('TMM','Team Monthly','M',1900,'N'),('TMY','Team Annual','Y',19200,'N'),('BZM','Business Monthly','M',3500,'N'),('BZY','Business Annual','Y',36000,'N'),('CLS','Classic','M',1500,'Y'),('ULT','Ultimate Annual','Y',72000,'N');
CREATE TABLE tbl_acct (acct_id INTEGER, acct_nm TEXT, ctry TEXT, sgmt TEXT, sts TEXT, signup_dt TEXT, parent_acct_id INTEGER, rep_id INTEGER, vat_no TEXT, test_flg TEXT);
INSERT INTO tbl_acct VALUES
(1,'Kestrel Logistics','GB','E','A','2020-02-11',NULL,1,'GB284110937','N'),(2,'Moorhen Foods','GB','M','A','2020-03-19',NULL,3,'GB771204388','N'),(3,'Alder & Finch','IE','S','A','2020-05-06',NULL,5,NULL,'N'),(4,'Nordlicht Energie','DE','E','A','2020-06-23',NULL,2,'DE813447201','N'),
(5,'Zentrale Druck','DE','S','C','2020-07-14',NULL,5,NULL,'N'),(6,'Casa Belmira','PT','S','A','2020-08-31',NULL,6,NULL,'N'),(7,'Quintessa Wines','PT','M','A','2020-09-17',NULL,4,'PT509112233','N'),(8,'Bluepeak Outdoors','US','E','A','2020-10-02',NULL,1,NULL,'N'),
(9,'Harborline Clinics','US','E','A','2020-11-20',NULL,2,NULL,'N'),(10,'Tidewater Dental','US','S','A','2020-12-08',9,5,NULL,'N'),(11,'Sundial Solar','US','M','C','2021-01-12',NULL,3,NULL,'N'),(12,'Atelier Morvan','FR','S','A','2021-02-04',NULL,6,'FR40303265045','N'),
(13,'Groupe Valserine','FR','E','A','2021-03-15',NULL,2,'FR83404833048','N'),(14,'Valserine Transport','FR','M','A','2021-04-09',13,4,'FR22199001745','N'),(15,'Valserine Retail','FR','M','A','2021-04-27',13,4,'FR61954506077','N'),(16,'Oranje Fietsen','NL','S','A','2021-05-18',NULL,7,'NL861204477B01','N'),
(17,'Polderworks','NL','M','C','2021-06-07',NULL,3,'NL820133904B01','N'),(18,'Veldhuis Bouw','NL','M','A','2021-07-21',NULL,4,NULL,'N'),(19,'Fjordtech','NO','S','A','2021-08-30',NULL,7,NULL,'N'),(20,'Saga Media','NO','M','A','2021-09-13',NULL,3,NULL,'N'),
(21,'Kestrel Ireland','IE','S','A','2021-10-05',1,5,'IE6388047V','N'),(22,'Kestrel Nederland','NL','S','A','2021-11-16',1,7,NULL,'N'),(23,'Copperfield Schools','GB','M','A','2021-12-01',NULL,4,'GB902117645','N'),(24,'Lumen Optik','DE','S','A','2022-01-24',NULL,6,'DE129273398','N'),
(25,'Brightwater Bank','GB','E','A','2022-02-14',NULL,1,'GB340118829','N'),(26,'Rowan Legal','GB','S','C','2022-03-08',NULL,5,NULL,'N'),(27,'Estrela Hoteis','PT','M','A','2022-04-20',NULL,4,'PT501964843','N'),(28,'Nimbus Air Cargo','US','E','A','2022-05-11',NULL,2,NULL,'N'),
(29,'Prairie Grain Co','US','M','A','2022-06-29',NULL,3,NULL,'N'),(30,'QA Sandbox','US','S','A','2022-07-01',NULL,NULL,NULL,'Y'),(31,'Sable Studios','US','S','A','2022-08-17',NULL,7,NULL,'N'),(32,'Papeterie Lenoir','FR','S','C','2022-09-26',NULL,6,NULL,'N'),
(33,'Ostsee Reederei','DE','E','A','2022-10-10',NULL,1,'DE298846102','N'),(34,'Hansen Marine','NO','S','A','2022-11-03',NULL,7,NULL,'N'),(35,'Tiber Ceramics','IT','M','A','2022-12-12',NULL,4,'IT00743110157','N'),(36,'Lago Yachts','IT','S','A','2023-01-30',NULL,6,NULL,'N'),
(37,'Vespucci Maps','IT','S','A','2023-03-22',NULL,NULL,'IT12345670785','N'),(38,'Greenholt Nurseries','GB','S','A','2023-05-16',NULL,5,NULL,'N'),(39,'Delta Forge','US','M','A','2023-07-05',NULL,3,NULL,'N'),(40,'Harborline Imaging','US','M','A','2023-08-28',9,3,NULL,'N'),
(41,'Demo Account EMEA','GB','S','T','2023-10-02',NULL,NULL,NULL,'Y'),(42,'Cobalt Pharma','DE','E','A','2023-11-14',NULL,2,'DE811569869','N'),(43,'Riverside Brewing','IE','S','A','2024-01-09',NULL,7,NULL,'N'),(44,'Maison Aubrac','FR','S','A','2024-03-18',NULL,6,'FR55817402910','N'),
(45,'Pinecrest Hostels','NO','S','T','2024-10-07',NULL,7,NULL,'N'),(46,'Ember Robotics','DE','M','T','2024-11-04',NULL,3,NULL,'N'),(47,'Tulip Telecom','NL','E','T','2024-11-25',NULL,1,NULL,'N'),(48,'Foxglove Theatre','GB','S','T','2024-12-13',NULL,5,NULL,'N');
CREATE TABLE tbl_sub (sub_id INTEGER, acct_id INTEGER, plan_cd TEXT, seats INTEGER, sts TEXT, start_dt TEXT, end_dt TEXT, disc_pct INTEGER, mrr_cents INTEGER, cancel_rsn TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<210),
a AS (SELECT i, 1+(i*29+(i*i*7)%31)%44 acct, 1+(i*13+(i*i*3)%17)%6 p, 1+(i*i*17+i*5)%83 seats, (i*71+11)%100 x, CASE WHEN (i*53)%7<2 THEN 10+(i*3)%4*5 END disc FROM n),
b AS (SELECT a.*, DATE(signup_dt,'+'||((i*577+31*i*i)%CAST(JULIANDAY('2024-09-15')-JULIANDAY(signup_dt) AS INTEGER))||' days') st FROM a JOIN tbl_acct ON acct_id=acct),
c AS (SELECT b.*, tbl_plan.* FROM b JOIN tbl_plan ON tbl_plan.rowid=p)
INSERT INTO tbl_sub SELECT i, acct, plan_cd, seats, CASE WHEN x<62 THEN 'A' WHEN x<90 THEN 'C' ELSE 'P' END, st,
CASE WHEN x BETWEEN 62 AND 89 THEN DATE(st,'+'||(30+(i*7919)%(CAST(JULIANDAY('2024-12-31')-JULIANDAY(st) AS INTEGER)-30))||' days') END, disc,
seats*price_cents*(100-COALESCE(disc,0))/100/(CASE cycle WHEN 'Y' THEN 12 ELSE 1 END),
CASE WHEN x BETWEEN 62 AND 89 THEN CASE (i*31+i/7)%6 WHEN 0 THEN 'price' WHEN 1 THEN 'missing feature' WHEN 2 THEN 'switched to competitor' WHEN 3 THEN 'out of business' WHEN 4 THEN 'price' END END FROM c ORDER BY i;
CREATE TABLE tbl_inv (inv_id INTEGER, inv_no TEXT, acct_id INTEGER, sub_id INTEGER, inv_dt TEXT, due_dt TEXT, paid_dt TEXT, amt_cents INTEGER, tax_cents INTEGER, sts TEXT);
WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k+1 FROM n WHERE k<58),
a AS (SELECT tbl_sub.*, k, cycle, vat_no, DATE(start_dt,'+'||(k*CASE cycle WHEN 'Y' THEN 12 ELSE 1 END)||' months') d FROM tbl_sub JOIN tbl_plan ON tbl_plan.plan_cd=tbl_sub.plan_cd JOIN tbl_acct ON tbl_acct.acct_id=tbl_sub.acct_id JOIN n),
b AS (SELECT *, (sub_id*7919+k*k*613+k*10477)%1000 h, mrr_cents*CASE cycle WHEN 'Y' THEN 12 ELSE 1 END amt FROM a WHERE d<=COALESCE(end_dt,'2024-12-31') AND d>='2021-01-01'),
c AS (SELECT *, CASE WHEN h<860-(CASE WHEN d>'2024-11-15' THEN 420 ELSE 0 END) THEN 'P' WHEN h<935 THEN 'O' WHEN h<972 THEN 'V' ELSE 'W' END s FROM b)
INSERT INTO tbl_inv SELECT ROW_NUMBER() OVER (ORDER BY d, sub_id), 'INV-'||SUBSTR(d,1,4)||'-'||PRINTF('%04d',ROW_NUMBER() OVER (PARTITION BY SUBSTR(d,1,4) ORDER BY d, sub_id)), acct_id, sub_id, d, DATE(d,'+30 days'),
CASE s WHEN 'P' THEN DATE(d,'+'||(1+(h*31+sub_id)%43)||' days') END, amt, CASE WHEN vat_no IS NULL THEN amt*20/100 ELSE 0 END, s FROM c ORDER BY d, sub_id;
CREATE TABLE tbl_pmt (pmt_id INTEGER, inv_id INTEGER, pmt_dt TEXT, amt_cents INTEGER, mthd TEXT, sts TEXT);
WITH a AS (SELECT inv_id, paid_dt d, amt_cents+tax_cents amt, CASE acct_id%5 WHEN 0 THEN 'WT' WHEN 3 THEN 'DD' ELSE 'CC' END m, CASE WHEN (inv_id*389)%67=0 THEN 'R' ELSE 'S' END s FROM tbl_inv WHERE sts='P'
UNION ALL SELECT inv_id, DATE(inv_dt,'+1 days'), amt_cents+tax_cents, CASE acct_id%5 WHEN 3 THEN 'DD' ELSE 'CC' END, 'F' FROM tbl_inv WHERE (inv_id*7919+13)%97<7 AND acct_id%5>0)
INSERT INTO tbl_pmt SELECT ROW_NUMBER() OVER (ORDER BY d, inv_id, s), inv_id, d, amt, m, s FROM a ORDER BY d, inv_id, s;
CREATE TABLE tbl_usage (acct_id INTEGER, yyyymm INTEGER, api_calls INTEGER, storage_mb INTEGER, actv_users INTEGER);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i<23)
INSERT INTO tbl_usage SELECT acct_id, (2023+i/12)*100+1+i%12, (acct_id*7919+i*i*1013+i*3571)%48000+CASE sgmt WHEN 'E' THEN 90000 WHEN 'M' THEN 20000 ELSE 150 END, CASE WHEN (acct_id*31+i*17)%23=0 THEN NULL ELSE (acct_id*4513+i*907)%9000+i*40 END, 1+(acct_id*53+i*i*29+i*7)%61
FROM tbl_acct, n WHERE acct_id<=44 AND SUBSTR(signup_dt,1,7)<=PRINTF('%d-%02d',2023+i/12,1+i%12) AND acct_id NOT IN (5,26);
CREATE TABLE tbl_tkt (tkt_id INTEGER, acct_id INTEGER, opened_ts TEXT, closed_ts TEXT, prio TEXT, topic TEXT, csat INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<520),
a AS (SELECT i, 1+(i*17+(i*i*5)%37)%42 acct, DATETIME('2022-07-03 08:00:00','+'||(i*42+(i*31)%37)||' hours','+'||((i*47)%60)||' minutes') o, (i*83+7)%100 x FROM n)
INSERT INTO tbl_tkt SELECT i, acct, o, CASE WHEN x<93 THEN DATETIME(o,'+'||(1+(i*i*13)%190)||' hours','+'||((i*29)%60)||' minutes') END, CASE WHEN (i*37+i/10)%100<8 THEN 'U' WHEN (i*37+i/10)%100<30 THEN 'H' WHEN (i*37+i/10)%100<72 THEN 'M' ELSE 'L' END,
CASE WHEN (i*61+i/13)%100<27 THEN 'billing' WHEN (i*61+i/13)%100<41 THEN 'login' WHEN (i*61+i/13)%100<60 THEN 'api' WHEN (i*61+i/13)%100<82 THEN 'bug' ELSE 'how-to' END, CASE WHEN x<58 THEN CASE WHEN (i*47+i/9*5)%100<9 THEN 1 WHEN (i*47+i/9*5)%100<20 THEN 2 WHEN (i*47+i/9*5)%100<38 THEN 3 WHEN (i*47+i/9*5)%100<71 THEN 4 ELSE 5 END END FROM a;
CREATE TABLE tbl_acct_bak_2023 AS SELECT acct_id, acct_nm, ctry, sgmt, sts, signup_dt, rep_id FROM tbl_acct WHERE signup_dt<'2023-01-01';
UPDATE tbl_acct_bak_2023 SET sts='A' WHERE acct_id IN (11,17,26,32);
