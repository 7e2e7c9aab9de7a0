CREATE TABLE dim_date (date_key INTEGER PRIMARY KEY, the_date TEXT, yr INTEGER, qtr TEXT, mon INTEGER, month_name TEXT, yyyymm INTEGER, day_name TEXT, weekend_flag TEXT);
CREATE TABLE dim_depot (depot_key INTEGER PRIMARY KEY, depot_name TEXT, district TEXT, bays INTEGER);
CREATE TABLE dim_line (line_key INTEGER PRIMARY KEY, line_no TEXT, line_name TEXT, mode TEXT, length_km REAL, headway_min INTEGER, night_service TEXT, depot_key INTEGER REFERENCES dim_depot(depot_key), opened_key INTEGER);
CREATE TABLE dim_stop (stop_key INTEGER PRIMARY KEY, stop_code TEXT, stop_name TEXT, district TEXT, fare_zone INTEGER, step_free TEXT, shelter TEXT);
CREATE TABLE bridge_line_stop (line_key INTEGER, stop_key INTEGER, stop_seq INTEGER);
CREATE TABLE dim_vehicle (vehicle_key INTEGER PRIMARY KEY, fleet_no TEXT, model TEXT, vehicle_kind TEXT, seats INTEGER, built_year INTEGER, drive_type TEXT, depot_key INTEGER, retired_key INTEGER);
CREATE TABLE dim_ticket_type (ticket_key INTEGER PRIMARY KEY, ticket_name TEXT, ticket_group TEXT, price REAL, valid_minutes INTEGER);
CREATE TABLE dim_card (card_key INTEGER PRIMARY KEY, card_no TEXT, holder_name TEXT, passenger_group TEXT, home_district TEXT, valid_from TEXT, valid_to TEXT, is_current TEXT /* Y, N */);
CREATE TABLE fact_ride (ride_id INTEGER PRIMARY KEY, date_key INTEGER REFERENCES dim_date(date_key), board_time TEXT, card_key INTEGER REFERENCES dim_card(card_key), line_key INTEGER, vehicle_key INTEGER, from_stop_key INTEGER, to_stop_key INTEGER, ticket_key INTEGER, fare REAL, ride_min INTEGER);
CREATE TABLE fact_delay (delay_id INTEGER PRIMARY KEY, date_key INTEGER, line_key INTEGER REFERENCES dim_line(line_key), vehicle_key INTEGER, stop_key INTEGER, cause TEXT, delay_min INTEGER, cancelled INTEGER);
CREATE TABLE fact_complaint (complaint_id INTEGER PRIMARY KEY, received_key INTEGER, closed_key INTEGER, card_key INTEGER, line_key INTEGER, topic TEXT, channel TEXT, refund REAL);
CREATE TABLE fact_budget (month_key INTEGER, line_key INTEGER, fare_plan REAL, rides_plan INTEGER);
CREATE TABLE fact_fleet_snapshot (snapshot_key INTEGER, depot_key INTEGER, ready_cnt INTEGER, workshop_cnt INTEGER, spare_cnt INTEGER);
CREATE TABLE load_log (load_no INTEGER PRIMARY KEY, target_table TEXT, load_date TEXT, rows_in INTEGER, rows_bad INTEGER, outcome TEXT);
CREATE TABLE stg_ride_import (batch TEXT, raw_card TEXT, raw_line TEXT, raw_time TEXT, raw_fare TEXT);
INSERT INTO dim_date WITH RECURSIVE d(x) AS (SELECT '2024-01-01' UNION ALL SELECT date(x, '+1 day') FROM d WHERE x < '2025-06-30') SELECT CAST(strftime('%Y%m%d', x) AS INTEGER), x, CAST(strftime('%Y', x) AS INTEGER), 'Q' || ((CAST(strftime('%m', x) AS INTEGER) + 2) / 3), CAST(strftime('%m', x) AS INTEGER), substr('JanFebMarAprMayJunJulAugSepOctNovDec', (CAST(strftime('%m', x) AS INTEGER) - 1) * 3 + 1, 3), CAST(strftime('%Y%m', x) AS INTEGER), substr('SunMonTueWedThuFriSat', CAST(strftime('%w', x) AS INTEGER) * 3 + 1, 3), CASE WHEN strftime('%w', x) IN ('0', '6') THEN 'Y' ELSE 'N' END FROM d;
INSERT INTO dim_depot VALUES
(0,'Unknown',NULL,NULL),(1,'Hallgate','Centre',40),(2,'Millbrook','East',26),(3,'Quayside','Harbour',12),(4,'Fernhill','North',18);
INSERT INTO dim_line VALUES
(0,'?','Unknown','unknown',NULL,NULL,NULL,0,NULL),(1,'T1','Hallgate - Fernhill','tram',11.4,8,'Y',1,19980501),(2,'T2','Ringway','tram',8.9,10,'N',1,20060912),
(3,'B10','Millbrook Loop','bus',14.2,15,'N',2,20010301),(4,'B14','Airport Express','bus',21.7,20,'Y',2,20150615),(5,'B22','Fernhill Crossing','bus',9.6,30,'N',4,20110404),
(6,'F1','Harbour Ferry','ferry',3.1,40,'N',3,20190401),(7,'N5','Night Owl','bus',17.8,60,'Y',2,20230901),(8,'F2','Island Shuttle','ferry',6.5,60,'N',3,20250401);
INSERT INTO dim_stop VALUES
(0,'-','Unknown',NULL,NULL,NULL,NULL),(1,'HAL','Hallgate Square','Centre',1,'Y','Y'),(2,'MUS','Museum','Centre',1,'Y','N'),(3,'RIN','Ring North','North',1,'N','Y'),
(4,'FER','Fernhill','North',2,'Y','Y'),(5,'UNI','University','North',2,'Y','Y'),(6,'MIL','Millbrook','East',2,'N','Y'),(7,'HOS','St Anne Hospital','East',2,'Y','Y'),
(8,'AIR','Airport','East',3,'Y','Y'),(9,'QUA','Quayside Pier','Harbour',1,'Y','N'),(10,'ISL','Gull Island','Harbour',3,'N','N'),(11,'STA','Stadium','East',2,NULL,'N'),
(12,'GAR','Garden Village','North',3,'N','N');
INSERT INTO bridge_line_stop VALUES
(1,1,1),(1,2,2),(1,3,3),(1,5,4),(1,4,5),(2,1,1),(2,3,2),(2,11,3),(2,9,4),(3,6,1),(3,7,2),(3,11,3),(3,2,4),(4,1,1),
(4,7,2),(4,8,3),(5,4,1),(5,5,2),(5,7,3),(6,9,1),(6,2,2),(7,1,1),(7,6,2),(7,8,3),(7,5,4),(8,9,1),(8,10,2);
INSERT INTO dim_vehicle VALUES
(0,'-','Unknown',NULL,NULL,NULL,NULL,0,NULL),(1,'101','Vario 28','tram',84,2004,'electric',1,NULL),(2,'102','Vario 28','tram',84,2004,'electric',1,20241231),(3,'105','Flexity N','tram',92,2016,'electric',1,NULL),
(4,'108','Flexity N','tram',92,2018,'electric',1,NULL),(5,'231','Urbis 12','bus',38,2012,'diesel',2,NULL),(6,'232','Urbis 12','bus',38,2013,'diesel',2,20250331),(7,'240','Urbis E','bus',36,2021,'battery',2,NULL),
(8,'241','Urbis E','bus',36,2022,'battery',4,NULL),(9,'250','Longa 18','bus',54,2019,'hybrid',2,NULL),(10,'501','MS Heron','ferry',120,2009,'diesel',3,NULL),(11,'502','MS Tern','ferry',90,2024,'battery',3,NULL),
(12,'109','Flexity N','tram',96,2025,'electric',1,NULL);
INSERT INTO dim_ticket_type VALUES
(1,'Single','single',2.9,90),(2,'Short hop','single',1.8,30),(3,'Day pass','pass',8.4,1440),(4,'Monthly pass','pass',62,NULL),
(5,'Student pass','pass',34,NULL),(6,'Child single','reduced',1.4,90),(7,'Senior single','reduced',2.1,90),(8,'Group day','pass',19.5,1440);
INSERT INTO dim_card VALUES
(0,'-','Unknown',NULL,NULL,'2020-01-01',NULL,'Y'),(1,'TC310','Alma Quist','adult','Centre','2022-01-01',NULL,'Y'),(2,'TC317','Bram Dolan','adult','East','2022-01-01','2024-05-31','N'),(3,'TC317','Bram Dolan','adult','Centre','2024-06-01',NULL,'Y'),
(4,'TC324','Cora Nyberg','student','North','2022-01-01',NULL,'Y'),(5,'TC331','Dev Pathak','student','North','2022-01-01','2024-09-30','N'),(6,'TC331','Dev Pathak','adult','North','2024-10-01',NULL,'Y'),(7,'TC338','Esme Rowe','senior','Harbour','2022-01-01',NULL,'Y'),
(8,'TC345','Felix Aho','adult','East','2022-01-01',NULL,'Y'),(9,'TC352','Grace Lund','senior','Centre','2022-01-01',NULL,'Y'),(10,'TC359','Hugo Marsh','child','East','2022-01-01',NULL,'Y'),(11,'TC366','Inga Sorel','adult','North','2022-01-01','2025-01-31','N'),
(12,'TC366','Inga Sorel','adult','Harbour','2025-02-01',NULL,'Y'),(13,'TC373','Jude Okoro','student','East','2022-01-01','2024-09-14','N'),(14,'TC373','Jude Okoro','student','North','2024-09-15',NULL,'Y'),(15,'TC380','Kim Ferrant','adult','Harbour','2022-01-01','2024-12-31','N'),
(16,'TC380','Kim Ferrant','senior','Harbour','2025-01-01',NULL,'Y'),(17,'TC387','Lena Voss','child','North','2022-01-01',NULL,'Y'),(18,'TC394','Max Tiller','adult','Centre','2022-01-01',NULL,'Y'),(19,'TC401','Nora Bex','senior','East','2022-01-01',NULL,'Y'),
(20,'TC408','Otis Gray','adult','North','2022-01-01',NULL,'Y'),(21,'TC415','Petra Holm','adult','Harbour','2022-01-01',NULL,'Y');
INSERT INTO fact_ride VALUES
(7001,20240101,'08:40',10,4,7,1,8,6,1.4,24),(7002,20240108,'15:19',19,3,5,11,6,7,2.1,32),(7003,20240112,'17:33',5,1,1,1,3,5,0,8),(7004,20240131,'16:57',7,2,1,11,1,7,2.1,28),(7005,20240203,'17:33',7,2,3,11,3,7,2.1,30),(7006,20240203,'11:33',15,1,3,1,4,1,2.9,37),
(7007,20240211,'08:44',8,3,9,6,7,1,2.9,11),(7008,20240304,'06:01',5,1,1,4,1,5,0,39),(7009,20240307,'17:50',2,3,5,11,2,1,2.9,46),(7010,20240329,'20:33',0,1,1,1,2,1,2.9,14),(7011,20240329,'09:39',4,1,0,1,3,1,2.9,40),(7012,20240420,'07:29',11,3,9,7,11,3,8.4,37),
(7013,20240424,'07:52',4,3,5,11,6,1,2.9,42),(7014,20240430,'18:59',18,2,3,3,11,2,1.8,14),(7015,20240502,'18:24',15,1,3,4,2,2,1.8,17),(7016,20240503,'11:31',0,1,3,1,NULL,1,2.9,NULL),(7017,20240507,'18:04',2,1,2,4,1,4,0,33),(7018,20240518,'18:40',18,3,5,6,7,4,0,10),
(7019,20240523,'17:11',1,2,4,3,9,4,0,43),(7020,20240605,'13:16',1,4,7,7,1,1,2.9,36),(7021,20240607,'07:47',3,6,11,2,9,4,0,32),(7022,20240619,'09:15',17,5,8,7,5,6,1.4,48),(7023,20240621,'07:35',0,2,3,9,11,3,8.4,20),(7024,20240623,'17:38',15,6,11,9,2,1,2.9,29),
(7025,20240628,'15:34',17,1,1,3,4,6,1.4,47),(7026,20240707,'08:36',19,4,7,8,1,7,2.1,24),(7027,20240707,'07:50',9,4,9,7,8,7,2.1,29),(7028,20240712,'17:57',3,5,8,5,NULL,3,8.4,NULL),(7029,20240716,'17:05',9,1,4,5,1,7,2.1,8),(7030,20240719,'07:35',1,1,3,5,4,1,2.9,22),
(7031,20240724,'15:49',19,6,10,2,9,7,2.1,17),(7032,20240728,'01:18',7,7,9,8,6,7,2.1,13),(7033,20240801,'07:12',18,5,8,4,5,1,2.9,19),(7034,20240802,'08:43',13,2,0,11,1,5,0,23),(7035,20240815,'08:10',1,3,7,2,6,3,8.4,38),(7036,20240820,'08:08',19,2,3,11,1,7,2.1,29),
(7037,20240907,'17:58',3,2,3,3,11,1,2.9,38),(7038,20240924,'16:17',5,1,4,2,4,5,0,45),(7039,20240925,'13:25',10,2,1,3,9,6,1.4,38),(7040,20240928,'01:54',7,7,5,8,NULL,7,2.1,NULL),(7041,20240930,'15:07',18,3,5,11,2,1,2.9,12),(7042,20241004,'06:52',6,6,10,9,2,1,2.9,35),
(7043,20241017,'07:59',0,1,1,2,4,1,2.9,25),(7044,20241109,'15:59',8,6,11,9,2,2,1.8,17),(7045,20241112,'13:42',7,3,9,6,7,7,2.1,13),(7046,20241112,'07:52',18,1,1,5,1,2,1.8,22),(7047,20241113,'15:11',1,3,9,6,2,1,2.9,12),(7048,20241113,'07:57',14,2,1,3,1,5,0,31),
(7049,20241113,'16:34',18,6,10,9,2,1,2.9,8),(7050,20241120,'15:52',0,2,1,3,11,1,2.9,36),(7051,20241121,'15:53',3,3,5,7,6,4,0,9),(7052,20241205,'20:22',15,3,7,11,2,2,1.8,23),(7053,20241206,'16:18',7,1,3,5,4,7,2.1,13),(7054,20241209,'13:27',7,5,8,4,7,7,2.1,38),
(7055,20241228,'08:30',18,5,8,4,5,2,1.8,6),(7056,20241228,'17:05',3,6,11,2,9,2,1.8,16),(7057,20241229,'15:35',0,3,6,11,7,1,2.9,9),(7058,20250104,'09:07',6,4,9,8,7,3,8.4,29),(7059,20250105,'17:36',8,1,4,5,3,1,2.9,20),(7060,20250109,'18:32',18,6,10,2,9,1,2.9,6),
(7061,20250111,'20:44',9,1,4,2,3,7,2.1,22),(7062,20250121,'18:16',17,1,3,4,3,6,1.4,19),(7063,20250205,'20:30',7,4,7,1,7,7,2.1,8),(7064,20250206,'02:21',10,7,0,5,1,6,1.4,30),(7065,20250212,'15:02',10,6,11,2,9,6,1.4,36),(7066,20250217,'07:00',8,4,7,8,1,3,8.4,46),
(7067,20250224,'06:58',4,5,0,4,7,5,0,26),(7068,20250225,'09:11',18,2,3,1,3,4,0,42),(7069,20250227,'01:50',10,7,9,5,1,6,1.4,27),(7070,20250228,'08:22',0,4,9,1,8,3,8.4,26),(7071,20250301,'02:11',17,7,9,6,1,6,1.4,34),(7072,20250307,'02:06',1,7,9,1,NULL,4,0,NULL),
(7073,20250320,'09:07',6,4,7,8,1,1,2.9,41),(7074,20250328,'13:04',18,5,8,4,7,2,1.8,29),(7075,20250418,'13:51',9,5,8,4,7,7,2.1,11),(7076,20250430,'01:10',14,7,9,8,1,5,0,18),(7077,20250503,'09:09',0,4,9,1,7,1,2.9,44),(7078,20250504,'17:09',9,3,5,7,6,7,2.1,21),
(7079,20250505,'09:23',4,3,7,2,7,5,0,6),(7080,20250506,'23:22',18,7,9,8,6,1,2.9,43),(7081,20250514,'02:37',0,7,5,1,8,2,1.8,21),(7082,20250517,'20:01',4,1,0,4,3,5,0,25),(7083,20250519,'08:58',19,1,1,4,3,7,2.1,32),(7084,20250605,'00:51',0,7,9,5,1,2,1.8,16),
(7085,20250615,'23:43',0,7,9,1,5,3,8.4,26),(7086,20250621,'09:58',7,4,7,8,7,7,2.1,48),(7087,20250623,'07:20',8,8,11,10,9,1,2.9,48),(7088,20250623,'16:33',4,5,8,4,7,5,0,24);
INSERT INTO fact_delay VALUES
(1,20240117,4,9,1,'technical',5,0),(2,20240223,4,7,8,NULL,51,0),(3,20240303,1,1,2,'technical',22,0),(4,20240306,5,8,4,'staff shortage',30,0),(5,20240322,4,9,1,'technical',NULL,1),(6,20240324,3,9,7,'technical',40,0),(7,20240325,1,4,5,NULL,50,0),
(8,20240327,4,7,8,'staff shortage',31,0),(9,20240403,1,2,1,'technical',26,0),(10,20240405,2,4,3,'weather',35,0),(11,20240408,3,6,11,'traffic',24,0),(12,20240525,3,6,6,'traffic',37,0),(13,20240528,5,8,4,'technical',48,0),(14,20240625,6,10,9,'technical',5,0),
(15,20240707,6,11,9,'technical',14,0),(16,20240708,4,9,7,'staff shortage',42,0),(17,20240904,7,9,5,NULL,NULL,1),(18,20240913,4,9,8,'weather',42,0),(19,20241006,5,8,4,'staff shortage',7,0),(20,20241016,3,9,7,'technical',35,0),(21,20241017,3,9,11,'weather',11,0),
(22,20241114,4,9,8,'traffic',43,0),(23,20241129,2,4,1,'traffic',NULL,1),(24,20241202,7,5,8,'technical',53,0),(25,20241217,2,1,1,'traffic',19,0),(26,20241230,6,11,2,'traffic',8,0),(27,20241231,7,9,6,'traffic',41,0),(28,20250209,1,3,3,'traffic',49,0),
(29,20250315,1,4,5,'traffic',16,0),(30,20250325,1,3,4,'weather',38,0),(31,20250328,4,9,1,'staff shortage',27,0),(32,20250627,7,9,1,'traffic',31,0);
INSERT INTO fact_complaint VALUES
(401,20240401,20240426,0,2,'driver','letter',NULL),(402,20240506,20240514,7,3,'delay','app',8.4),(403,20240608,20240628,0,1,'driver','app',12.5),(404,20240619,NULL,5,2,'driver','letter',12.5),(405,20240706,20240727,0,1,'fare','app',2.9),(406,20240731,20240827,9,7,'fare','app',NULL),
(407,20240819,20240831,0,0,'delay','phone',12.5),(408,20240902,20240913,4,4,'delay','phone',NULL),(409,20240910,20240930,10,3,'delay','letter',5),(410,20240927,20241001,3,0,'driver','phone',NULL),(411,20241015,20241024,6,4,'driver','letter',NULL),(412,20241021,20241112,0,1,'delay','letter',NULL),
(413,20241023,20241030,1,3,'fare','letter',8.4),(414,20241108,20241110,0,1,'fare','letter',NULL),(415,20250130,20250219,0,3,'fare','app',NULL),(416,20250211,20250307,9,6,'delay','phone',12.5),(417,20250222,NULL,14,0,'cleanliness','letter',2.9),(418,20250315,20250406,10,1,'cleanliness','phone',NULL),
(419,20250427,20250502,7,7,'delay','phone',2.9),(420,20250602,20250612,3,3,'driver','app',2.9);
INSERT INTO fact_budget VALUES
(202501,1,6,1),(202501,2,4,2),(202501,3,4,1),(202501,4,2,1),(202501,6,8,2),(202502,1,10,4),(202502,2,10,4),(202502,3,5,2),(202502,4,4,1),(202502,6,5,3),
(202503,1,10,1),(202503,2,6,4),(202503,3,12,1),(202503,4,5,4),(202503,6,10,4),(202504,1,10,4),(202504,2,5,3),(202504,3,12,2),(202504,4,8,1),(202504,6,8,4),
(202505,1,8,1),(202505,2,4,2),(202505,3,2,2),(202505,4,4,3),(202505,6,3,4),(202506,1,10,1),(202506,2,4,1),(202506,3,6,4),(202506,4,2,4),(202506,6,4,4);
INSERT INTO fact_fleet_snapshot VALUES
(20250131,1,27,4,2),(20250131,2,16,3,2),(20250131,3,8,3,1),(20250131,4,13,0,3),(20250228,1,24,1,0),(20250228,2,18,3,2),(20250228,3,5,6,1),(20250228,4,11,5,4),
(20250331,1,30,0,3),(20250331,2,15,1,0),(20250331,3,4,2,2),(20250331,4,13,4,2),(20250430,1,32,5,3),(20250430,2,20,4,4),(20250430,3,5,3,3),(20250430,4,13,2,3),
(20250531,1,29,1,1),(20250531,2,21,6,2),(20250531,3,6,4,3),(20250531,4,8,0,3),(20250630,1,28,6,1),(20250630,2,19,3,0),(20250630,3,4,2,3),(20250630,4,12,3,1);
INSERT INTO load_log VALUES
(1,'fact_ride','2025-06-27',412,3,'ok'),(2,'fact_delay','2025-06-27',18,0,'ok'),(3,'fact_ride','2025-06-28',377,0,'ok'),(4,'dim_card','2025-06-28',40,40,'failed'),
(5,'dim_card','2025-06-29',40,1,'ok'),(6,'fact_ride','2025-06-29',290,11,'ok'),(7,'fact_complaint','2025-06-30',0,0,'empty'),(8,'fact_ride','2025-06-30',433,433,'failed');
INSERT INTO stg_ride_import VALUES
('b0627','TC310','T1','07:12','2,90'),('b0627','TC??','T1','07:15','x'),('b0628','TC345','B14','16:40','8,40'),('b0630','TC352','F1','09:05','-');
