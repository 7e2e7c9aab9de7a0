CREATE TABLE acct (acc_id INTEGER, acc_nm TEXT, ctry TEXT, ind TEXT, seg TEXT, crt_on TEXT, churn_on TEXT, csm TEXT, par_id INTEGER, is_int INTEGER);
CREATE TABLE usr (usr_id INTEGER, acc_id INTEGER, full_nm TEXT, mail TEXT, role_cd TEXT /* OWN owner, ADM admin, MEM member, RO read-only */, act INTEGER, inv_by INTEGER /* usr_id of the inviter */, crt_ts INTEGER /* epoch seconds */, lang TEXT, sso TEXT);
CREATE TABLE sess (s_id INTEGER, usr_id INTEGER, st_ts INTEGER /* epoch seconds */, en_ts INTEGER, dev TEXT, os TEXT, app_ver TEXT, pg_cnt INTEGER);
CREATE TABLE feat_ev (ev_id INTEGER, s_id INTEGER, ftr_cd TEXT, ts INTEGER /* epoch seconds */, dur_ms INTEGER, ok TEXT, props TEXT);
CREATE TABLE ftr (ftr_cd TEXT, ftr_nm TEXT, area TEXT, min_pl TEXT, rel_on TEXT, beta INTEGER);
CREATE TABLE pl (pl_cd TEXT, pl_nm TEXT, mo_fee_c INTEGER /* per seat, cents */, max_seats INTEGER, trial_d INTEGER);
CREATE TABLE pl_hist (acc_id INTEGER, pl_cd TEXT, valid_from TEXT, valid_to TEXT /* NULL = current */, lic INTEGER /* seats bought */, disc_pct REAL, chg_rsn TEXT);
CREATE TABLE inv (inv_no TEXT, acc_id INTEGER, iss_on TEXT, due_on TEXT, pd_on TEXT, amt_c INTEGER /* euro cents */, st TEXT /* P paid, O open, W written off, C credited */, rem_cnt INTEGER /* reminders sent */);
CREATE TABLE sup_tkt (tkt_no INTEGER, acc_id INTEGER, usr_id INTEGER, opn_ts INTEGER, cls_ts INTEGER, prio INTEGER /* 1 = urgent */, csat INTEGER /* 1-5 */, agt TEXT);
CREATE TABLE sup_tag (tkt_no INTEGER, tag TEXT);
INSERT INTO acct VALUES (11,'Brightwater Logistics','DE','logistics','ENT','2021-05-03',NULL,'Mara Vogt',NULL,0),(12,'Brightwater Rail','DE','logistics','MID','2022-09-12',NULL,'Mara Vogt',11,0),(13,'Kestrel Labs','GB','biotech','MID','2022-02-21',NULL,'Owen Pryce',NULL,0),
(14,'Studio Halden','NO','design','SMB','2023-01-16','2024-04-30',NULL,NULL,0),(15,'Montreval SA','FR','retail','ENT','2021-11-08',NULL,'Lucie Garnier',NULL,0),(16,'Montreval Outlet','FR','retail','SMB','2023-06-19',NULL,'Lucie Garnier',15,0),
(17,'Ferro Lisboa','PT','manufacturing','SMB','2023-03-27',NULL,NULL,NULL,0),(18,'Quillpost','IE','media','MID','2022-06-13','2024-08-31','Owen Pryce',NULL,0),(19,'Nordbad Klinik','DE','health','MID','2023-10-02',NULL,'Mara Vogt',NULL,0),
(20,'Tallyho Books','GB','retail','SMB','2024-02-05',NULL,NULL,NULL,0),(21,'Zephyr Aero','ES','manufacturing','ENT','2024-05-20',NULL,'Lucie Garnier',NULL,0),(22,'Internal Demo','DE','software','SMB','2020-12-01',NULL,NULL,NULL,1),
(23,'Cobalt Yard','NL','design','SMB','2024-09-09',NULL,NULL,NULL,0);
INSERT INTO usr VALUES (101,11,'Henrike Paul','h.paul@bw.test','OWN',1,NULL,1620033000,'de','Y'),(102,11,'Tobias Kern','t.kern@bw.test','ADM',1,101,1620721800,'de','Y'),(103,11,'Salma Aziz','s.aziz@bw.test','MEM',1,102,1658239200,'en','Y'),
(104,11,'Gerd Maier','g.maier@bw.test','MEM',0,102,1659435300,'de','Y'),(105,12,'Ines Roth','i.roth@rail.test','OWN',1,101,1662980400,'de','N'),(106,12,'Pavel Horak',NULL,'MEM',1,105,1675863900,'en','N'),
(107,13,'Rhys Cadogan','rhys@kl.test','OWN',1,NULL,1645460400,'en','Y'),(108,13,'Mei Tanaka','mei@kl.test','MEM',1,107,1646125200,'en','Y'),(109,13,'Abel Osei','abel@kl.test','RO',1,107,1705920000,'en','N'),
(110,14,'Sindre Moe','sindre@halden.test','OWN',0,NULL,1673870700,'no','N'),(111,14,'Astrid Lie','astrid@halden.test','MEM',0,110,1674031800,'no','N'),(112,15,'Claire Dumas','c.dumas@mv.test','OWN',1,NULL,1636365600,'fr','Y'),
(113,15,'Yanis Ferrand','y.ferrand@mv.test','ADM',1,112,1636990200,'fr','Y'),(114,15,'Odile Petit','o.petit@mv.test','MEM',1,113,1693819500,'fr','Y'),(115,15,'Karim Saadi',NULL,'RO',0,113,1693820400,'fr','Y'),
(116,16,'Lea Blanc','l.blanc@mv.test','OWN',1,112,1687174200,'fr','N'),(117,17,'Rui Teixeira','rui@ferro.test','OWN',1,NULL,1679937000,'pt','N'),(118,17,'Ana Moura','ana@ferro.test','MEM',1,117,1710147900,'pt','N'),
(119,18,'Niamh Doyle','niamh@qp.test','OWN',0,NULL,1655115000,'en','N'),(120,18,'Conor Fay','conor@qp.test','MEM',0,119,1655721000,'en','N'),(121,19,'Birte Jansen','b.jansen@nb.test','OWN',1,NULL,1696232700,'de','Y'),
(122,19,'Malte Friis','m.friis@nb.test','ADM',1,121,1696839600,'de','Y'),(123,19,'Greta Wolff','g.wolff@nb.test','MEM',1,122,1717416000,'de','N'),(124,20,'Edie Marlow','edie@tallyho.test','OWN',1,NULL,1707143400,'en','N'),
(125,21,'Nuria Vidal','n.vidal@za.test','OWN',1,NULL,1716197400,'es','Y'),(126,21,'Iker Sanz','i.sanz@za.test','ADM',1,125,1716285600,'es','Y'),(127,21,'Lola Prats',NULL,'MEM',1,126,1721059200,'es','N'),
(128,22,'Demo Robot','demo@saas.test','OWN',1,NULL,1606780800,'en','N');
INSERT INTO pl VALUES ('FREE','Free',0,2,0),('TEAM','Team',900,10,14),('BUS','Business',1900,50,30),
('ENT','Enterprise',3400,NULL,30),('EDU','Education',400,100,60);
INSERT INTO ftr VALUES ('DASH','Dashboards','reporting','FREE','2020-12-01',0),('EXP','CSV export','reporting','TEAM','2021-03-15',0),('WFL','Workflows','automation','BUS','2022-05-02',0),
('API','API calls','platform','BUS','2021-09-20',0),('AIS','AI summary','automation','ENT','2024-03-04',1),('CMT','Comments','collaboration','FREE','2021-06-07',0),
('SHR','Shared links','collaboration','TEAM','2022-10-17',0),('AUD','Audit log','platform','ENT','2023-08-14',0),('MAP','Map view','reporting','BUS','2024-09-16',1);
INSERT INTO pl_hist VALUES (11,'TEAM','2021-05-03','2022-06-30',8,NULL,'signup'),(11,'BUS','2022-07-01','2023-12-31',20,5,'upgrade'),(11,'ENT','2024-01-01',NULL,40,12.5,'upgrade'),
(12,'TEAM','2022-09-12',NULL,5,NULL,'signup'),(13,'FREE','2022-02-21','2022-03-31',2,NULL,'signup'),(13,'BUS','2022-04-01',NULL,12,NULL,'upgrade'),
(14,'TEAM','2023-01-16','2024-04-30',3,NULL,'signup'),(15,'BUS','2021-11-08','2023-02-28',30,10,'signup'),(15,'ENT','2023-03-01',NULL,60,15,'upgrade'),
(16,'FREE','2023-06-19','2023-09-30',1,NULL,'signup'),(16,'TEAM','2023-10-01',NULL,4,10,'upgrade'),(17,'BUS','2023-03-27','2024-06-30',6,NULL,'signup'),
(17,'TEAM','2024-07-01',NULL,3,NULL,'downgrade'),(18,'BUS','2022-06-13','2024-03-31',15,5,'signup'),(18,'TEAM','2024-04-01','2024-08-31',7,NULL,'downgrade'),
(19,'TEAM','2023-10-02','2024-05-31',6,NULL,'signup'),(19,'BUS','2024-06-01',NULL,14,7.5,'upgrade'),(20,'FREE','2024-02-05',NULL,1,NULL,'signup'),
(21,'ENT','2024-05-20',NULL,25,20,'signup'),(22,'ENT','2020-12-01',NULL,99,100,'signup'),(23,'FREE','2024-09-09',NULL,2,NULL,'signup');
INSERT INTO sess VALUES (5001,105,1694089570,1694091190,'desktop','windows','4.8',19),(5003,119,1694417605,1694424044,'desktop','linux','4.8',29),(5004,128,1694427306,1694428118,'desktop','linux','4.8',6),
(5005,102,1695835683,1695835825,'desktop','macos','4.8',22),(5006,113,1696620451,NULL,'tablet','ios','4.8',12),(5007,107,1696623328,1696628352,'desktop','windows','4.8',7),
(5008,110,1697180383,1697186139,'desktop','windows','4.8',26),(5009,121,1697569962,1697573778,'mobile','ios','4.8',3),(5010,102,1698416910,1698420426,'desktop','macos','4.8',6),
(5011,101,1699000905,1699004266,'desktop','windows','4.8',22),(5013,117,1699476035,1699478260,'desktop','linux','4.8',13),(5014,105,1699986408,1699992268,'desktop','linux','4.8',18),
(5015,108,1700239253,1700242968,'desktop','linux','4.8',27),(5016,113,1700645740,1700649901,'mobile','ios','4.8',16),(5017,122,1701248353,1701249366,'mobile','ios','4.8',1),
(5018,110,1701333745,1701340895,'tablet','ios','4.8',25),(5020,111,1702991068,NULL,'desktop','linux','4.8',17),(5021,102,1704712749,1704717404,'desktop','macos','4.9',10),
(5023,101,1705348751,1705351292,'mobile','ios','5.0',11),(5024,124,1708509236,1708510553,'mobile','android','5.0',18),(5025,102,1709388551,1709394071,'mobile','android','5.0',18),
(5026,113,1711197976,1711198921,'desktop','macos','4.8',19),(5027,124,1711401034,1711404051,'desktop','macos','4.9',26),(5028,117,1712578615,1712583299,'desktop','windows','5.0',16),
(5029,108,1712990209,1712993089,'desktop','linux','4.9',25),(5030,128,1713636376,1713639760,'tablet','ios','4.9',4),(5031,114,1713899210,1713905903,'desktop','windows','4.9',27),
(5033,125,1716651184,1716657388,'desktop','macos','5.0',20),(5034,102,1717144508,NULL,'desktop','windows','5.0',26),(5035,103,1717481310,1717482152,'mobile','ios','4.9',22),
(5036,116,1718098351,1718100281,'desktop','macos','5.0',1),(5037,107,1718649512,1718652869,'desktop','macos','5.0',29),(5038,121,1718821132,1718825097,'desktop','windows','4.8',2),
(5039,121,1719063626,1719069658,'desktop','windows','5.0',20),(5041,126,1719940900,1719945808,'tablet','ios','5.1',6),(5042,102,1720437988,1720439532,'desktop','windows','5.0',18),
(5043,101,1720797690,1720798595,'desktop','macos','5.0',21),(5044,107,1721146491,1721149422,'desktop','linux','5.1',29),(5045,107,1722614235,1722620672,'desktop','windows','4.9',28),
(5046,119,1723725270,1723729672,'desktop','macos','5.0',19),(5047,108,1723805877,1723809621,'desktop','windows','5.0',1),(5048,113,1723819278,NULL,'mobile','ios','4.9',22),
(5049,112,1724878005,1724880737,'desktop','macos','4.9',18),(5050,126,1725862662,1725869423,'mobile','ios','4.9',21),(5051,126,1726556905,1726559974,'desktop','macos','4.9',1),
(5053,103,1727904594,1727911680,'desktop','macos','5.1',4),(5054,113,1727944928,1727946377,'desktop','linux','5.0',2),(5055,117,1727949480,1727951496,'mobile','ios','4.9',15),
(5056,109,1728116213,1728121527,'desktop','windows','5.0',24),(5057,106,1728146507,1728151681,'mobile','ios','5.0',25),(5058,101,1728907969,1728913054,'tablet','ios','5.1',1),
(5059,108,1729799802,1729802123,'desktop','linux','4.9',4),(5060,103,1730217289,1730221249,'mobile','android','5.1',28),(5061,116,1731920695,1731927743,'mobile','android','5.1',13),
(5062,101,1733206682,NULL,'tablet','ios','5.0',7),(5063,125,1733864897,1733870946,'tablet','ios','4.9',18),(5064,112,1734031112,1734032428,'mobile','android','5.0',11),
(5065,122,1734448192,1734453234,'tablet','ios','5.0',4);
INSERT INTO feat_ev VALUES (80001,5001,'EXP',1694089753,1192,'Y','{"rows":4270}'),(80002,5001,'EXP',1694090344,NULL,'N','{"rows":4240}'),(80003,5003,'API',1694422823,1487,'Y',NULL),
(80004,5003,'EXP',1694419050,5705,'Y','{"rows":2480}'),(80005,5004,'DASH',1694427700,2936,'Y',NULL),(80006,5005,'EXP',1695835782,NULL,'N','{"rows":7460}'),
(80007,5008,'DASH',1697183186,2226,'Y',NULL),(80008,5009,'WFL',1697570274,3764,'Y','{"steps":2}'),(80009,5010,'API',1698418458,5897,'Y',NULL),
(80010,5011,'DASH',1699004040,2110,'Y',NULL),(80011,5013,'DASH',1699476923,4040,'Y',NULL),(80012,5014,'CMT',1699991505,952,'Y',NULL),
(80013,5015,'CMT',1700240600,5202,'N',NULL),(80014,5017,'CMT',1701249107,2762,'Y',NULL),(80015,5018,'SHR',1701334211,3675,'Y',NULL),
(80016,5020,'SHR',1702993809,3448,'N',NULL),(80017,5020,'SHR',1702996456,4440,'Y',NULL),(80018,5023,'CMT',1705351204,1422,'Y',NULL),
(80019,5023,'WFL',1705351025,2404,'Y','{"steps":7}'),(80020,5024,'CMT',1708510053,2531,'Y',NULL),(80021,5025,'CMT',1709391025,3958,'Y',NULL),
(80022,5025,'SHR',1709392877,4644,'Y',NULL),(80023,5027,'CMT',1711403675,5110,'Y',NULL),(80024,5028,'CMT',1712581770,676,'Y',NULL),
(80025,5029,'DASH',1712990922,5898,'Y',NULL),(80026,5030,'API',1713637472,523,'Y',NULL),(80027,5031,'SHR',1713899671,146,'N',NULL),
(80028,5035,'EXP',1717481394,2555,'Y','{"rows":130}'),(80029,5035,'WFL',1717481767,4317,'Y','{"steps":2}'),(80030,5036,'CMT',1718098388,2375,'Y',NULL),
(80031,5037,'API',1718652260,2664,'Y',NULL),(80032,5038,'EXP',1718821492,3978,'N','{"rows":3410}'),(80033,5038,'DASH',1718824964,4196,'Y',NULL),
(80034,5039,'WFL',1719064465,2225,'Y','{"steps":2}'),(80035,5041,'WFL',1719942182,5743,'Y','{"steps":8}'),(80036,5041,'AIS',1719943130,3964,'Y','{"tokens":392}'),
(80037,5042,'SHR',1720438059,1332,'Y',NULL),(80038,5042,'AIS',1720438965,362,'N','{"tokens":2547}'),(80039,5043,'WFL',1720797788,4131,'Y','{"steps":5}'),
(80040,5045,'CMT',1722617134,1811,'Y',NULL),(80041,5046,'WFL',1723727291,5561,'N','{"steps":6}'),(80042,5047,'API',1723806323,4815,'Y',NULL),
(80043,5048,'CMT',1723821313,3395,'Y',NULL),(80044,5049,'AIS',1724878787,5978,'Y','{"tokens":641}'),(80045,5049,'API',1724880292,4057,'Y',NULL),
(80046,5050,'SHR',1725864766,1398,'Y',NULL),(80047,5050,'EXP',1725865648,NULL,'N','{"rows":6150}'),(80048,5051,'EXP',1726557482,2608,'N','{"rows":5530}'),
(80049,5053,'SHR',1727908900,NULL,'N',NULL),(80050,5054,'API',1727946211,NULL,'N',NULL),(80051,5054,'WFL',1727945972,2090,'Y','{"steps":3}'),
(80052,5055,'EXP',1727951089,1844,'Y','{"rows":1010}'),(80053,5055,'DASH',1727950738,3198,'Y',NULL),(80054,5056,'DASH',1728119620,1039,'N',NULL),
(80055,5057,'SHR',1728148971,NULL,'N',NULL),(80056,5059,'DASH',1729800982,1762,'Y',NULL),(80057,5060,'WFL',1730220546,1319,'Y','{"steps":7}'),
(80058,5060,'AIS',1730217670,1158,'Y','{"tokens":2029}'),(80059,5061,'EXP',1731927394,NULL,'N','{"rows":5250}'),(80060,5061,'SHR',1731926982,639,'Y',NULL),
(80061,5062,'CMT',1733208693,761,'Y',NULL),(80062,5062,'API',1733208946,2094,'Y',NULL),(80063,5063,'DASH',1733869140,890,'Y',NULL),
(80064,5063,'DASH',1733865041,2667,'Y',NULL),(80065,5064,'API',1734031897,1894,'Y',NULL),(80066,5064,'SHR',1734032179,1734,'Y',NULL),
(80067,5065,'EXP',1734451319,2929,'Y','{"rows":1880}');
INSERT INTO inv VALUES ('R23-301',11,'2023-07-03','2023-08-02','2023-07-08',432000,'P',0),('R23-302',13,'2023-07-05','2023-08-04','2023-07-22',273600,'P',0),('R23-303',15,'2023-08-01','2023-08-31','2023-08-10',1734000,'P',0),
('R23-304',18,'2023-09-04','2023-10-04','2023-09-09',324900,'P',0),('R23-305',14,'2023-10-02','2023-10-16','2023-10-19',32400,'P',1),('R23-306',17,'2023-10-16','2023-10-30','2023-10-28',136800,'P',0),
('R23-307',12,'2023-11-06','2023-11-20','2023-12-04',54000,'P',1),('R24-308',11,'2024-01-08','2024-02-07','2024-02-01',1428000,'P',0),('R24-309',16,'2024-01-15','2024-01-29','2024-02-08',38900,'P',1),
('R24-310',19,'2024-02-05','2024-02-19','2024-03-04',64800,'P',1),('R24-311',15,'2024-02-12','2024-03-13','2024-03-11',2080800,'P',0),('R24-312',13,'2024-03-04','2024-04-03','2024-03-09',280100,'P',0),
('R24-313',18,'2024-04-08','2024-04-22','2024-04-25',75600,'P',1),('R24-314',14,'2024-04-15','2024-04-29',NULL,27000,'O',0),('R24-315',12,'2024-05-06','2024-05-20',NULL,54600,'W',3),
('R24-316',21,'2024-06-03','2024-07-03','2024-07-25',816000,'P',1),('R24-317',19,'2024-06-17','2024-07-17','2024-07-04',295200,'P',0),('R24-318',11,'2024-07-08','2024-08-07',NULL,1440000,'O',1),
('R24-319',17,'2024-07-15','2024-07-29','2024-07-27',32500,'P',0),('R24-320',18,'2024-08-05','2024-08-19',NULL,75700,'O',0),('R24-321',16,'2024-09-02','2024-09-16','2024-09-11',39400,'P',0),
('R24-322',15,'2024-10-07','2024-11-06','2024-10-31',2100000,'P',0),('R24-323',13,'2024-10-14','2024-11-13',NULL,273700,'C',0),('R24-324',21,'2024-11-04','2024-12-04','2024-12-15',820000,'P',1),
('R24-325',19,'2024-12-02','2025-01-01',NULL,301000,'O',1),('R24-326',11,'2024-12-09','2025-01-08',NULL,1455000,'O',2);
INSERT INTO sup_tkt VALUES (3001,11,102,1694508000,1694602084,1,4,'nils'),(3002,13,108,1696345920,1696363979,3,5,'tess'),(3003,14,110,1700474520,1700824590,2,2,'nils'),
(3004,15,113,1701697800,1701741595,2,4,'omar'),(3005,11,103,1705311060,1705322315,3,NULL,'tess'),(3006,18,119,1707324240,1707828681,1,1,'omar'),
(3007,17,117,1709724000,1709832472,2,3,'nils'),(3008,19,122,1711007700,1711037171,2,5,'tess'),(3009,14,111,1712059920,1712316297,2,1,'nils'),
(3010,15,114,1715681100,1715753239,3,NULL,'tess'),(3011,21,126,1717665300,1717824028,1,3,'omar'),(3012,18,NULL,1721313000,1721997858,1,2,NULL),
(3013,11,102,1724746200,1724772072,2,5,'tess'),(3014,20,124,1725989100,1726187239,3,4,'nils'),(3015,21,127,1729609200,NULL,2,NULL,'omar'),
(3016,19,123,1732016880,1732074929,1,4,'tess'),(3017,15,NULL,1733217720,NULL,1,NULL,NULL),(3018,12,105,1733924220,NULL,3,NULL,'nils');
INSERT INTO sup_tag VALUES (3001,'login'),(3002,'billing'),(3003,'bug'),
(3004,'export'),(3004,'bug'),(3005,'how-to'),
(3006,'billing'),(3006,'cancel'),(3007,'api'),
(3008,'how-to'),(3009,'cancel'),(3010,'export'),
(3011,'sso'),(3011,'login'),(3012,'billing'),
(3012,'cancel'),(3013,'api'),(3013,'bug'),
(3014,'how-to'),(3014,'billing'),(3016,'sso'),
(3017,'bug'),(3017,'api'),(3018,'bug');
