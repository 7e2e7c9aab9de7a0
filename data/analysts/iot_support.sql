CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT, contact_first TEXT, contact_last TEXT, plan TEXT, country TEXT, city TEXT, signed_up TEXT /* DD.MM.YYYY */, cancelled_on TEXT /* ISO */, seats INTEGER, monthly_fee REAL);
CREATE TABLE technicians (tech_code TEXT PRIMARY KEY, first_name TEXT, last_name TEXT, team TEXT, city TEXT, hired_on TEXT /* ISO */, lead_code TEXT, hourly_cost REAL, monthly_quota INTEGER /* tickets to solve */);
CREATE TABLE firmware (firmware_id INTEGER PRIMARY KEY, model TEXT, version TEXT, channel TEXT, released_on INTEGER /* YYYYMMDD */, withdrawn_on INTEGER, size_kb INTEGER, is_current INTEGER);
CREATE TABLE devices (device_id INTEGER PRIMARY KEY, serial_no TEXT, model TEXT, customer_id INTEGER REFERENCES customers(customer_id), firmware_id INTEGER REFERENCES firmware(firmware_id), site TEXT, status TEXT, installed_on TEXT /* ISO */, last_seen INTEGER /* unix seconds */, purchase_price REAL, settings TEXT /* JSON */);
CREATE TABLE telemetry (reading_id INTEGER PRIMARY KEY, device_id INTEGER REFERENCES devices(device_id), firmware_id INTEGER REFERENCES firmware(firmware_id), read_at INTEGER /* unix seconds */, temp_c REAL, battery_pct INTEGER, latency_ms INTEGER, kb_sent INTEGER, error_code TEXT);
CREATE TABLE incidents (incident_id INTEGER PRIMARY KEY, device_id INTEGER, severity TEXT, cause TEXT, opened_at TEXT /* ISO timestamp */, closed_at TEXT, tech_code TEXT REFERENCES technicians(tech_code), parts_used INTEGER, repair_cost REAL);
CREATE TABLE tickets (ticket_no TEXT PRIMARY KEY, customer_id INTEGER REFERENCES customers(customer_id), device_id INTEGER, subject TEXT, priority TEXT, status TEXT, channel TEXT, created_ms INTEGER /* unix milliseconds */, solved_ms INTEGER, tech_code TEXT REFERENCES technicians(tech_code), rating INTEGER, minutes_spent INTEGER);
CREATE TABLE invoices (invoice_no TEXT PRIMARY KEY, customer_id INTEGER REFERENCES customers(customer_id), issued INTEGER /* YYYYMMDD */, due INTEGER, paid INTEGER, devices_billed INTEGER, amount REAL, discount REAL);
INSERT INTO customers VALUES
(101,'Hafen Kuehlhaus','Ottilie','Brandt','enterprise','Germany','Warnau','12.01.2023',NULL,40,890.0),
(102,'Alpen Molkerei','Severin','Moser','pro','Austria','Tannfels','03.04.2023',NULL,12,290.0),
(103,'Verger du Lac','Maelle','Gautier','pro','France','Sauvigny','27.06.2023',NULL,8,290.0),
(104,'Nordlys Fisk','Ragnar','Eide','enterprise','Norway','Havnes','15.09.2023',NULL,55,990.0),
(105,'Gruenhaus Kern','Jette','Kern','basic','Germany','Warnau','01.02.2024',NULL,3,59.0);
INSERT INTO customers VALUES
(106,'Bakkerij Mol','Sjoerd','Mol','basic','Netherlands','Drienum','19.02.2024','2025-03-31',2,59.0),
(107,'Serre Bellamy','Odile','Bellamy','pro','France','Corbelle','08.05.2024',NULL,9,310.0),
(108,'Kestler Brau','Vinzenz','Kestler','basic','Germany','Lindrode','22.07.2024',NULL,4,59.0),
(109,'Vino Morandi','Chiara','Morandi','free','Italy','Montalro','30.08.2024',NULL,1,0.0),
(110,'Polar Transport','Ragnar','Lunde','pro','Norway','Fjellby','11.10.2024',NULL,15,310.0);
INSERT INTO customers VALUES
(111,'Blumen Jette','Jette','Sommer','free','Germany','Lindrode','05.12.2024',NULL,1,0.0),
(112,'Almhof Moser','Kreszenz','Moser','basic','Austria','Tannfels','17.01.2025',NULL,2,69.0),
(113,'Frigo Ouest','Tanguy','Le Roux','enterprise','France','Sauvigny','24.02.2025',NULL,30,940.0),
(114,'Kelderij Baas','Wietske','Baas','free','Netherlands','Zandwijk','02.04.2025',NULL,1,0.0),
(115,'Gletscher Eis','Urban','Zurfluh','pro','Switzerland','Obermatt','14.11.2023','2024-10-15',6,290.0);
INSERT INTO customers VALUES
(9999,'Unknown',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO technicians VALUES
('T01','Maren','Oldag','field','Warnau','2019-03-01',NULL,62.0,4),
('T02','Jannis','Weyer','field','Warnau','2021-07-15','T01',48.0,5),
('T03','Solveig','Eide','field','Havnes','2020-11-02','T01',55.0,3),
('T04','Bastian','Kropf','desk','Lindrode','2018-05-14',NULL,51.0,6),
('T05','Livia','Rossetti','desk','Lindrode','2023-02-01','T04',39.5,6);
INSERT INTO technicians VALUES
('T06','Theo','Marchetti','desk','Tannfels','2024-09-01','T04',37.0,5),
('T07','Ines','Gautier','firmware','Sauvigny','2022-04-04',NULL,71.0,2),
('T08','Ole','Hartvig','firmware','Havnes','2025-01-13','T07',58.0,NULL),
('T09','Maren','Tiede','field','Drienum','2025-05-01','T01',44.0,NULL);
INSERT INTO firmware VALUES
(1,'TempNode','1.0.0','stable',20230110,20240630,410,0),
(2,'TempNode','1.1.0','stable',20231102,NULL,422,0),
(3,'TempNode','1.2.0','stable',20240618,NULL,436,0),
(4,'TempNode','2.0.0-b1','beta',20250303,NULL,512,0),
(5,'TempNode','2.0.0','stable',20250512,NULL,508,1);
INSERT INTO firmware VALUES
(6,'GateHub','3.0.0','stable',20230301,NULL,2210,0),
(7,'GateHub','3.1.0','stable',20240125,NULL,2304,0),
(8,'GateHub','3.2.0-b1','beta',20240930,20241108,2390,0),
(9,'GateHub','3.2.0','stable',20241111,NULL,2388,1),
(10,'FlowMeter','0.9.0','beta',20230915,20240201,640,0);
INSERT INTO firmware VALUES
(11,'FlowMeter','1.0.0','stable',20240201,NULL,655,0),
(12,'FlowMeter','1.0.1','stable',20250120,NULL,655,1),
(13,'DoorSense','0.1.0','dev',20250401,NULL,118,1);
INSERT INTO devices VALUES
(501,'TN-4507','TempNode',101,5,'Hall B','retired','2023-06-12',1738827060,89.0,'{"interval_s": 60, "alerts": false, "zone": "cold"}'),
(503,'TN-4521','TempNode',101,2,'Cold room 1','active','2023-08-15',1747058580,89.0,'{"interval_s": 300, "alerts": true, "zone": "cold", "max_temp": 8}'),
(504,'TN-4528','TempNode',101,3,'Cold room 2','active','2023-04-16',1749911640,80.0,'{"interval_s": 300, "alerts": true, "zone": "cold", "max_temp": 6}'),
(505,'TN-4535','TempNode',101,77,'Cold room 2','active','2023-04-23',1750163160,99.0,'{"interval_s": 300, "alerts": true, "zone": "dry"}'),
(508,'TN-4556','TempNode',101,2,'Hall A','active','2023-02-19',1750414440,99.0,'{"interval_s": 300, "alerts": false, "zone": "outdoor"}');
INSERT INTO devices VALUES
(511,'GH-4577','GateHub',101,7,'Cold room 2','active','2023-03-21',1749675180,349.0,'{"interval_s": 300, "alerts": true, "zone": "cold"}'),
(512,'TN-4584','TempNode',102,5,'Cellar','active','2023-11-19',1746643860,80.0,'{"interval_s": 300, "alerts": false, "zone": "outdoor"}'),
(515,'TN-4605','TempNode',102,3,'Dairy','active','2023-07-18',1747229460,89.0,'{"interval_s": 300, "alerts": true, "zone": "cold"}'),
(517,'FM-4619','FlowMeter',102,11,'Dairy','retired','2023-11-16',1740900660,165.0,'{"interval_s": 900, "alerts": false, "zone": "cold", "max_temp": 6}'),
(519,'FM-4633','FlowMeter',102,11,'Cellar','active','2023-07-27',1746203100,165.0,NULL);
INSERT INTO devices VALUES
(522,'TN-4654','TempNode',103,5,'Yard','active','2024-03-17',1749572100,89.0,NULL),
(523,'TN-4661','TempNode',103,1,'Main','active','2023-07-16',1747494600,89.0,'{"interval_s": 900, "alerts": true, "zone": "dry", "max_temp": 4}'),
(526,'TN-4682','TempNode',104,5,'Cold room 1','active','2023-12-10',1750208880,89.0,NULL),
(527,'TN-4689','TempNode',104,5,'Cold room 2','active','2023-09-22',1749156120,89.0,'{"interval_s": 60, "alerts": true, "zone": "cold", "max_temp": 4}'),
(530,'TN-4710','TempNode',104,2,'Cold room 1','active','2024-02-01',1749433740,89.0,'{"interval_s": 900, "alerts": true, "zone": "outdoor", "max_temp": 8}');
INSERT INTO devices VALUES
(533,'TN-4731','TempNode',104,1,'Office','active','2024-01-16',1750645260,89.0,'{"interval_s": 300, "alerts": true, "zone": "cold", "max_temp": 4}'),
(534,'GH-4738','GateHub',104,9,'Cold room 2','active','2024-03-20',1750583280,359.0,'{"interval_s": 300, "alerts": false, "zone": "dry", "max_temp": 8}'),
(535,'GH-4745','GateHub',104,7,'Cold room 2','active','2023-09-22',1750466640,349.0,'{"interval_s": 60, "alerts": true, "zone": "cold"}'),
(537,'FM-4759','FlowMeter',105,12,NULL,'active','2024-10-12',1746265500,175.0,'{"interval_s": 900, "alerts": true, "zone": "dry", "max_temp": 25}'),
(539,'TN-4773','TempNode',106,2,NULL,'retired','2024-05-14',1738913460,89.0,'{"interval_s": 300, "alerts": true, "zone": "outdoor"}');
INSERT INTO devices VALUES
(542,'FM-4794','FlowMeter',107,11,'Main','active','2025-01-19',1749076320,165.0,'{"interval_s": 300, "alerts": false, "zone": "cold", "max_temp": 25}'),
(544,'FM-4808','FlowMeter',107,11,'Main','active','2024-06-17',1750111560,156.0,NULL),
(545,'GH-4815','GateHub',107,7,NULL,'active','2024-10-29',1751056560,349.0,'{"interval_s": 300, "alerts": false, "zone": "cold", "max_temp": 8}'),
(547,'TN-4829','TempNode',108,3,NULL,'active','2024-09-06',1748739540,89.0,'{"interval_s": 60, "alerts": true, "zone": "dry"}'),
(549,'GH-4843','GateHub',110,6,'Store','active','2024-12-11',1747326300,359.0,'{"interval_s": 300, "alerts": false, "zone": "cold"}');
INSERT INTO devices VALUES
(551,'GH-4857','GateHub',110,9,'Yard','retired','2025-04-30',1740987060,349.0,'{"interval_s": 900, "alerts": true, "zone": "outdoor", "max_temp": 4}'),
(552,'TN-4864','TempNode',110,5,NULL,'active','2025-05-27',1747264680,99.0,'{"interval_s": 60, "alerts": true, "zone": "outdoor", "max_temp": 6}'),
(554,'FM-4878','FlowMeter',112,11,'Store','active','2025-02-28',1751030400,175.0,'{"interval_s": 300, "alerts": true, "zone": "outdoor", "max_temp": 25}'),
(556,'TN-4892','TempNode',113,2,'Cold room 1','active','2025-04-06',1750832700,99.0,'{"interval_s": 900, "alerts": true, "zone": "outdoor"}'),
(557,'TN-4899','TempNode',113,2,'Cold room 1','retired','2025-03-23',1738999860,89.0,'{"interval_s": 60, "alerts": true, "zone": "cold"}');
INSERT INTO devices VALUES
(560,'TN-4920','TempNode',113,5,'Depot','active','2025-03-02',1750181820,89.0,'{"interval_s": 900, "alerts": true, "zone": "outdoor"}'),
(563,'GH-4941','GateHub',115,6,NULL,'retired','2024-03-28',1728459060,349.0,'{"interval_s": 300, "alerts": false, "zone": "cold", "max_temp": 4}'),
(565,'TN-4955','TempNode',9999,3,NULL,'spare',NULL,NULL,89.0,'{"interval_s": 300, "alerts": true, "zone": "cold"}'),
(567,'TN-4969','TempNode',9999,1,NULL,'spare',NULL,NULL,89.0,'{"interval_s": 300, "alerts": true, "zone": "cold"}'),
(570,'GH-4990','GateHub',9999,7,NULL,'spare',NULL,NULL,349.0,'{"interval_s": 300, "alerts": true, "zone": "dry", "max_temp": 25}');
INSERT INTO devices VALUES
(571,'DS-4997','DoorSense',9999,13,NULL,'spare',NULL,NULL,39.0,'{"interval_s": 300, "alerts": true, "zone": "outdoor"}');
INSERT INTO telemetry VALUES
(9001,547,3,1735710438,3.6,72,159,79,'E20'),
(9002,535,7,1735751679,NULL,NULL,380,487,NULL),
(9003,547,2,1735823975,13.4,63,NULL,85,NULL),
(9004,547,3,1736143366,1.1,21,333,53,NULL),
(9005,515,2,1736165799,4.6,84,118,88,'E20');
INSERT INTO telemetry VALUES
(9006,508,3,1736282203,3.5,30,319,68,NULL),
(9007,539,2,1736357129,1.2,21,131,63,'E34'),
(9008,511,9,1736416694,NULL,NULL,319,628,NULL),
(9009,539,3,1736487453,1.6,22,307,39,NULL),
(9010,526,3,1736614509,0.0,11,337,27,NULL);
INSERT INTO telemetry VALUES
(9011,503,3,1736661439,3.3,53,NULL,27,'E20'),
(9012,523,2,1736887573,3.0,73,105,8,'E34'),
(9013,517,11,1737015726,19.2,44,375,67,NULL),
(9014,535,7,1737116077,NULL,NULL,57,566,NULL),
(9015,533,3,1737126515,5.9,54,NULL,2,NULL);
INSERT INTO telemetry VALUES
(9016,515,2,1737142809,0.8,98,63,30,NULL),
(9017,501,3,1737170152,12.2,8,66,34,'E34'),
(9018,519,11,1737207786,20.0,10,158,66,NULL),
(9019,503,3,1737298547,5.6,91,260,68,NULL),
(9020,515,2,1737341489,14.9,37,302,13,NULL);
INSERT INTO telemetry VALUES
(9021,501,3,1737388258,6.5,36,395,4,NULL),
(9022,503,3,1737617877,-1.9,31,64,10,NULL),
(9023,526,3,1737768221,-0.7,44,NULL,51,NULL),
(9024,526,2,1737848486,-0.5,68,130,45,NULL),
(9025,508,2,1738124993,5.3,16,229,41,NULL);
INSERT INTO telemetry VALUES
(9026,512,2,1738295243,12.5,65,412,77,NULL),
(9027,539,2,1738299563,8.2,82,82,6,NULL),
(9028,512,2,1738452576,5.1,92,320,28,NULL),
(9029,504,3,1738483324,6.7,60,300,95,NULL),
(9030,508,3,1738545418,-2.5,98,114,39,NULL);
INSERT INTO telemetry VALUES
(9031,519,11,1738688562,9.9,65,81,57,NULL),
(9032,519,12,1739089350,13.7,80,260,15,NULL),
(9033,523,3,1739317282,9.0,9,137,35,NULL),
(9034,504,3,1739454044,0.6,17,314,79,NULL),
(9035,533,3,1739862212,0.9,59,229,43,NULL);
INSERT INTO telemetry VALUES
(9036,530,2,1739920460,5.5,99,403,37,'E34'),
(9037,534,9,1739967316,NULL,NULL,346,276,NULL),
(9038,526,3,1740134585,1.0,8,291,78,'E11'),
(9039,515,2,1740385002,3.1,92,278,42,NULL),
(9040,547,3,1740391409,9.0,78,228,94,NULL);
INSERT INTO telemetry VALUES
(9041,501,2,1740473287,5.7,86,200,22,NULL),
(9042,508,3,1740553464,2.4,30,249,47,'E11'),
(9043,522,2,1740746355,7.0,98,365,28,NULL),
(9044,503,2,1740841247,-0.0,55,173,87,NULL),
(9045,534,9,1741440045,NULL,NULL,131,440,NULL);
INSERT INTO telemetry VALUES
(9046,519,11,1741472280,9.1,38,132,81,NULL),
(9047,504,3,1742154912,2.4,41,174,49,'E11'),
(9048,530,4,1742193966,8.1,68,64,76,NULL),
(9049,554,12,1742633162,16.8,91,104,86,NULL),
(9050,504,3,1743101166,5.8,62,360,43,NULL);
INSERT INTO telemetry VALUES
(9051,511,9,1743564818,NULL,NULL,362,465,NULL),
(9052,544,12,1743606332,11.8,88,414,40,NULL),
(9053,527,3,1743725285,0.2,18,330,74,NULL),
(9054,504,4,1743726064,0.8,13,419,81,NULL),
(9055,517,11,1743726184,16.4,31,103,58,NULL);
INSERT INTO telemetry VALUES
(9056,511,7,1743755152,NULL,NULL,165,233,NULL),
(9057,517,11,1743811707,12.4,55,NULL,61,NULL),
(9058,517,11,1743882398,14.9,10,265,94,NULL),
(9059,519,11,1744039694,19.6,13,134,51,NULL),
(9060,523,4,1744056931,2.9,72,188,78,'E34');
INSERT INTO telemetry VALUES
(9061,547,3,1744069801,10.3,54,381,92,NULL),
(9062,530,4,1744318253,4.4,40,112,12,'E11'),
(9063,505,4,1744337409,3.3,70,NULL,4,NULL),
(9064,527,3,1744449993,6.3,49,NULL,90,NULL),
(9065,517,11,1744552488,22.2,32,51,11,'E34');
INSERT INTO telemetry VALUES
(9066,511,7,1744815224,NULL,NULL,68,219,NULL),
(9067,533,4,1745309164,16.3,69,398,69,NULL),
(9068,539,3,1745482565,11.0,99,80,22,NULL),
(9069,515,3,1745516684,5.9,57,94,23,NULL),
(9070,504,4,1745559727,2.6,20,356,73,NULL);
INSERT INTO telemetry VALUES
(9071,508,3,1745622177,9.6,43,377,71,NULL),
(9072,545,9,1745870755,NULL,NULL,390,122,NULL),
(9073,515,3,1746012584,6.8,94,287,85,NULL),
(9074,515,4,1746044641,6.0,80,333,27,NULL),
(9075,511,9,1746140422,NULL,NULL,385,731,NULL);
INSERT INTO telemetry VALUES
(9076,508,4,1746429819,9.0,51,330,59,NULL),
(9077,537,11,1746521773,7.4,85,286,15,NULL),
(9078,551,7,1746556743,NULL,NULL,93,155,NULL),
(9079,523,3,1746903203,5.1,90,412,19,NULL),
(9080,504,3,1746904569,-0.0,86,241,66,NULL);
INSERT INTO telemetry VALUES
(9081,508,3,1746951964,9.1,30,221,94,'E11'),
(9082,551,9,1746975183,NULL,NULL,352,195,NULL),
(9083,515,4,1746992753,5.5,78,342,11,NULL),
(9084,522,5,1747038495,-1.0,45,187,6,NULL),
(9085,519,11,1747052238,17.8,78,382,18,NULL);
INSERT INTO telemetry VALUES
(9086,551,9,1747222372,NULL,NULL,300,859,NULL),
(9087,544,12,1747475690,13.1,11,49,80,NULL),
(9088,517,12,1747536372,3.5,71,NULL,68,NULL),
(9089,542,12,1747653595,16.1,94,NULL,86,NULL),
(9090,515,5,1747686733,13.0,97,NULL,60,NULL);
INSERT INTO telemetry VALUES
(9091,534,9,1747799356,NULL,NULL,NULL,816,NULL),
(9092,537,12,1748259587,11.9,62,364,32,NULL),
(9093,501,5,1748291923,9.0,30,186,51,NULL),
(9094,517,11,1748340121,8.3,64,72,75,NULL),
(9095,504,5,1748446311,7.9,31,NULL,77,NULL);
INSERT INTO telemetry VALUES
(9096,522,5,1748471245,4.4,10,70,94,NULL),
(9097,501,4,1748628104,6.7,30,114,45,'E11'),
(9098,517,12,1748652840,13.8,40,189,6,NULL),
(9099,519,11,1749053828,17.4,32,340,51,NULL),
(9100,503,5,1749190339,9.1,37,231,24,NULL);
INSERT INTO telemetry VALUES
(9101,501,5,1749483279,9.2,89,307,21,NULL),
(9102,501,5,1749577632,10.4,35,NULL,73,NULL),
(9103,535,9,1749719168,NULL,NULL,162,286,NULL),
(9104,512,5,1749777839,2.6,78,69,71,'E34'),
(9105,542,11,1749794941,16.7,41,211,35,NULL);
INSERT INTO telemetry VALUES
(9106,515,5,1749849127,7.0,58,79,80,NULL),
(9107,512,5,1749870444,11.9,25,309,21,NULL),
(9108,523,5,1749913431,4.9,97,342,53,NULL),
(9109,515,5,1750029706,3.3,59,408,13,'E20'),
(9110,504,5,1750233735,1.7,86,326,46,NULL);
INSERT INTO telemetry VALUES
(9111,511,7,1750256790,NULL,NULL,298,557,NULL),
(9112,503,5,1750298444,1.7,8,140,58,NULL),
(9113,547,5,1750542127,11.1,14,412,42,NULL),
(9114,501,4,1750616326,8.7,61,318,41,NULL),
(9115,519,11,1750734499,14.7,54,NULL,11,'E20');
INSERT INTO telemetry VALUES
(9116,503,5,1751169174,-1.6,22,384,4,NULL),
(9117,511,9,1751244156,NULL,NULL,233,274,NULL),
(9118,504,4,1751257468,2.8,64,NULL,6,NULL);
INSERT INTO incidents VALUES
(3001,533,'major','sensor','2024-03-26 06:29:36','2024-03-26 09:29:36','T02',1,58.0),
(3002,533,'critical',NULL,'2024-04-07 10:12:44','2024-04-07 17:07:44','T03',0,25),
(3003,563,'major','firmware','2024-04-08 07:31:59','2024-04-13 10:51:59','T03',2,0),
(3004,534,'minor','network','2024-04-15 06:52:09','2024-04-18 06:32:09','T02',3,149.9),
(3005,522,'minor','battery','2024-04-30 17:08:34','2024-04-30 20:08:34','T03',3,25);
INSERT INTO incidents VALUES
(3006,498,'minor','battery','2024-05-11 06:43:57',NULL,'T01',NULL,NULL),
(3007,517,'minor','battery','2024-05-13 19:29:01','2024-05-13 21:04:01','T02',1,12.5),
(3008,563,'minor',NULL,'2024-06-14 18:13:42',NULL,'T01',NULL,NULL),
(3009,563,'minor','battery','2024-06-25 22:39:49','2024-06-26 02:59:49','T01',3,80),
(3010,526,'minor','water damage','2024-07-01 23:28:07','2024-07-02 02:28:07','T01',1,222.5);
INSERT INTO incidents VALUES
(3011,526,'minor','battery','2024-07-13 18:01:52','2024-07-16 17:41:52','T01',1,162.4),
(3012,523,'minor','firmware','2024-07-20 07:41:56','2024-07-21 05:11:56','T03',2,45.5),
(3013,526,'major','firmware','2024-07-31 08:53:06','2024-08-03 08:33:06','T02',0,45.5),
(3014,527,'critical',NULL,'2024-08-06 00:12:47',NULL,'T01',NULL,NULL),
(3015,515,'major','network','2024-08-21 02:39:53','2024-08-23 02:44:53','T02',3,80);
INSERT INTO incidents VALUES
(3016,563,'minor','firmware','2024-09-03 15:57:39',NULL,'T01',NULL,NULL),
(3017,519,'minor','sensor','2024-10-28 14:38:09','2024-11-02 17:58:09','T03',3,80),
(3018,537,'major','firmware','2024-10-30 03:20:58','2024-10-30 10:15:58','T03',1,45.5),
(3019,539,'major','firmware','2024-11-03 05:18:38','2024-11-03 08:18:38','T03',1,25),
(3020,533,'minor','battery','2024-11-11 22:15:48',NULL,'T02',NULL,NULL);
INSERT INTO incidents VALUES
(3021,631,'major','firmware','2024-11-12 17:10:00','2024-11-12 18:45:00','T03',3,210),
(3022,544,'minor','network','2024-11-19 08:56:27','2024-11-19 13:16:27','T07',0,162.4),
(3023,512,'major','firmware','2024-11-30 02:33:08','2024-11-30 06:53:08','T02',2,149.9),
(3024,549,'minor','sensor','2024-12-15 17:42:37','2024-12-15 18:22:37','T03',1,45.5),
(3025,504,'minor',NULL,'2024-12-16 09:42:46','2024-12-16 10:22:46','T02',1,80);
INSERT INTO incidents VALUES
(3026,511,'minor','sensor','2024-12-17 17:34:02','2024-12-20 17:14:02','T02',0,80),
(3027,505,'major','battery','2025-01-08 07:47:34','2025-01-08 10:47:34','T02',0,0),
(3028,537,'critical','battery','2025-02-04 02:59:10','2025-02-04 03:39:10','T01',2,120),
(3029,508,'minor','firmware','2025-02-14 15:33:54',NULL,'T02',NULL,NULL),
(3030,504,'critical','sensor','2025-02-21 11:33:50','2025-02-21 21:33:50','T02',0,58.0);
INSERT INTO incidents VALUES
(3031,542,'critical',NULL,'2025-02-23 04:36:30','2025-02-23 05:16:30','T07',0,45.5),
(3032,530,'minor','battery','2025-03-07 09:56:01','2025-03-08 07:26:01','T03',1,210),
(3033,522,'major',NULL,'2025-03-12 05:52:32','2025-03-12 10:12:32','T02',0,25),
(3034,549,'major','battery','2025-04-08 18:29:15','2025-04-09 15:59:15','T02',0,210),
(3035,526,'major','battery','2025-04-10 14:18:04','2025-04-12 14:23:04','T03',0,162.4);
INSERT INTO incidents VALUES
(3036,563,'minor','battery','2025-04-22 11:13:11','2025-04-22 15:33:11','T03',2,80),
(3037,557,'minor',NULL,'2025-05-05 00:57:40','2025-05-05 07:52:40','T01',1,210),
(3038,557,'minor','battery','2025-06-04 10:28:55','2025-06-09 13:48:55','T03',1,0),
(3039,526,'major','network','2025-06-05 14:06:57','2025-06-06 00:06:57','T03',2,149.9),
(3040,563,'minor',NULL,'2025-06-07 22:34:44','2025-06-08 02:54:44','T01',1,37.5);
INSERT INTO incidents VALUES
(3041,508,'major','battery','2025-06-12 05:56:52','2025-06-17 09:16:52','T02',3,162.4),
(3042,523,'major','sensor','2025-06-19 19:18:14','2025-06-20 05:18:14','T02',3,80);
INSERT INTO tickets VALUES
('TK-1201',107,NULL,'Login fails','low','closed','email',1718072048722,1718246048584,'T04',3,30),
('TK-1204',105,NULL,'Invoice question','high','closed','portal',1718774322230,1718778522740,'T07',NULL,45),
('TK-1207',107,544,'Export broken','normal','solved','phone',1719032390064,1719122390646,'T07',5,90),
('TK-1210',103,523,'wrong temperature','normal','closed','portal',1720140348166,1720452348643,'T04',NULL,20),
('TK-1213',101,505,'wrong temperature','normal','closed','phone',1720323292763,1720324792194,'T04',NULL,30);
INSERT INTO tickets VALUES
('TK-1216',103,NULL,'Login fails','normal','waiting','portal',1720403559433,NULL,'T05',NULL,15),
('TK-1219',101,501,'Invoice question','low','solved','portal',1721033716936,1721561716588,'T05',5,15),
('TK-1222',102,517,'New user','high','open','portal',1721243381279,NULL,'T04',NULL,NULL),
('TK-1225',107,544,'Alert not sent','low','closed','portal',1721533025498,1721845025042,'T07',NULL,90),
('TK-1228',106,649,'Wrong temperature','normal','closed','phone',1721816933123,1721834933564,'T05',4,90);
INSERT INTO tickets VALUES
('TK-1231',103,522,'Update stuck','normal','closed','portal',1722006079198,1722180079585,'T05',1,15),
('TK-1234',102,NULL,'Sensor offline','urgent','solved','portal',1722100115497,1722190115405,'T07',2,60),
('TK-1237',106,539,'Login fails','normal','closed','phone',1722802054157,1722803554383,'T07',3,60),
('TK-1240',101,501,'Login fails','normal','closed','portal',1722980705948,1722982205530,'T07',NULL,20),
('TK-1243',105,NULL,'sensor offline','urgent','closed','email',1723846164242,1723850364192,'T07',NULL,15);
INSERT INTO tickets VALUES
('TK-1246',104,NULL,'Wrong temperature','normal','solved','phone',1724573804647,1724885804197,'T07',NULL,15),
('TK-1249',105,NULL,'Wrong temperature','high','closed','phone',1726078342764,1726087342797,'T05',NULL,90),
('TK-1252',104,526,'Sensor offline','high','open','email',1726168440050,NULL,'T05',NULL,NULL),
('TK-1255',104,530,'No data since morning','high','closed','email',1726533793672,1726537993750,'T06',NULL,45),
('TK-1258',101,511,'No data since morning','normal','open','phone',1726657165441,NULL,'T05',NULL,NULL);
INSERT INTO tickets VALUES
('TK-1261',104,NULL,'Login fails','high','solved','portal',1726990444704,1726994644613,'T06',4,30),
('TK-1264',101,504,'Wrong temperature','normal','closed','portal',1728284927207,1728458927296,'T04',4,20),
('TK-1267',107,NULL,'Export broken','low','closed','phone',1728626834666,1728655634098,'T04',3,30),
('TK-1270',101,NULL,'Invoice question','low','waiting','phone',1728989729880,NULL,'T05',NULL,45),
('TK-1273',104,533,'Sensor offline','urgent','closed','portal',1729289976231,1729298976899,'T05',4,45);
INSERT INTO tickets VALUES
('TK-1276',105,NULL,'wrong temperature','low','waiting','portal',1730191551883,NULL,'T04',NULL,30),
('TK-1279',104,534,'Sensor offline','high','closed','portal',1731636586989,1731645586418,'T06',5,15),
('TK-1282',110,NULL,'Update stuck','high','closed','portal',1732263278852,1732264778975,'T05',4,45),
('TK-1285',104,530,'Export broken','high','closed','portal',1732714016191,1732718216646,'T04',5,45),
('TK-1288',102,512,'Login fails','high','closed','portal',1732773301729,1732791301145,'T05',2,30);
INSERT INTO tickets VALUES
('TK-1291',103,NULL,'wrong temperature','normal','waiting','email',1733224177484,NULL,'T06',NULL,10),
('TK-1294',101,671,'sensor offline','normal','solved','phone',1733893403889,1733897603038,'T05',NULL,30),
('TK-1297',110,NULL,'Wrong temperature','normal','closed','email',1734726972537,1734744972678,'T04',5,30),
('TK-1300',104,527,'sensor offline','low','open','email',1735455176425,NULL,NULL,NULL,NULL),
('TK-1303',108,547,'New user','normal','closed','portal',1735464133988,1735554133406,'T04',5,90);
INSERT INTO tickets VALUES
('TK-1306',104,527,'New user','urgent','solved','phone',1735498799127,1735810799764,'T04',2,90),
('TK-1309',107,NULL,'wrong temperature','low','solved','portal',1735573513105,1735663513946,'T05',4,20),
('TK-1312',107,545,'Sensor offline','high','waiting','portal',1735797730253,NULL,'T06',NULL,30),
('TK-1315',103,NULL,'New user','normal','solved','portal',1736332411859,1736336611400,'T04',3,90),
('TK-1318',103,522,'sensor offline','low','solved','portal',1738069164936,1738243164377,'T05',4,10);
INSERT INTO tickets VALUES
('TK-1321',104,NULL,'Sensor offline','high','open','portal',1738949931599,NULL,'T05',NULL,NULL),
('TK-1324',104,NULL,'Alert not sent','low','closed','portal',1739521908467,1739526108176,'T07',2,60),
('TK-1327',104,NULL,'Update stuck','normal','closed','portal',1739623449778,1739797449991,'T06',5,20),
('TK-1330',110,549,'Export broken','low','closed','email',1739810944542,1739819944620,'T05',5,60),
('TK-1333',102,517,'Alert not sent','normal','closed','portal',1740353459384,1740362459993,'T06',5,45);
INSERT INTO tickets VALUES
('TK-1336',110,NULL,'Sensor offline','low','open','portal',1740469267738,NULL,'T05',NULL,NULL),
('TK-1339',103,522,'No data since morning','normal','closed','portal',1740713884671,1740715384657,'T04',3,30),
('TK-1342',109,NULL,'New user','normal','solved','email',1740747380043,1740756380764,'T07',NULL,15),
('TK-1345',113,NULL,'Invoice question','high','closed','email',1740838906463,1740856906042,'T07',1,45),
('TK-1348',109,NULL,'Alert not sent','normal','closed','phone',1741264466549,1741268666273,'T05',4,45);
INSERT INTO tickets VALUES
('TK-1351',107,NULL,'No data since morning','high','closed','email',1741344958437,1741349158892,'T07',4,60),
('TK-1354',110,NULL,'Login fails','low','waiting','email',1744201980142,NULL,'T04',NULL,15),
('TK-1357',101,NULL,'Export broken','low','solved','email',1744314674352,1744332674582,'T05',1,15),
('TK-1360',113,557,'Wrong temperature','high','waiting','email',1744402937358,NULL,'T07',NULL,90),
('TK-1363',104,NULL,'sensor offline','high','waiting','phone',1744454260526,NULL,'T05',NULL,90);
INSERT INTO tickets VALUES
('TK-1366',107,NULL,'New user','normal','solved','email',1744762447914,1745074447113,'T05',NULL,20),
('TK-1369',101,NULL,'Wrong temperature','normal','open','portal',1745760640864,NULL,'T06',NULL,NULL),
('TK-1372',113,557,'Sensor offline','high','closed','email',1745956912121,1746046912628,'T04',1,90),
('TK-1375',107,545,'Export broken','low','closed','email',1746264263765,1746282263986,'T05',3,10),
('TK-1378',104,533,'Wrong temperature','normal','open','email',1747370029523,NULL,'T07',NULL,NULL);
INSERT INTO tickets VALUES
('TK-1381',113,556,'No data since morning','low','waiting','portal',1747472645001,NULL,'T06',NULL,60),
('TK-1384',113,NULL,'Battery warning','normal','solved','portal',1748028563784,1748037563224,'T07',4,20),
('TK-1387',110,551,'Wrong temperature','normal','closed','phone',1749078872091,1749107672013,'T06',1,20),
('TK-1390',103,523,'Sensor offline','high','waiting','phone',1749724392210,NULL,'T05',NULL,15);
INSERT INTO invoices VALUES
('INV-2024-001',101,20240726,20240809,20240815,6,899.5,35.5),
('INV-2024-002',102,20240719,20240802,20240802,4,320.0,0),
('INV-2024-003',103,20240707,20240721,20240720,2,305.0,0),
('INV-2024-004',104,20240728,20240811,20240817,6,1035.0,0),
('INV-2024-005',106,20240704,20240718,20240814,1,66.5,0);
INSERT INTO invoices VALUES
('INV-2024-006',115,20240717,20240731,20240806,1,262.0,35.5),
('INV-2024-007',101,20240907,20241007,20240921,6,899.5,35.5),
('INV-2024-008',102,20240904,20240918,20240917,4,320.0,0),
('INV-2024-009',105,20240910,20240924,20240924,1,31.0,35.5),
('INV-2024-010',107,20240916,20240930,20241006,1,297.5,20.0);
INSERT INTO invoices VALUES
('INV-2024-011',115,20240909,20240923,20240920,1,297.5,0),
('INV-2024-012',101,20241002,20241016,20241016,6,935.0,0),
('INV-2024-013',102,20241019,20241118,20241108,4,300.0,20.0),
('INV-2024-014',103,20241027,20241126,NULL,2,305.0,0),
('INV-2024-015',104,20241024,20241107,NULL,6,1035.0,0);
INSERT INTO invoices VALUES
('INV-2024-016',105,20241003,20241017,20241006,1,66.5,0),
('INV-2024-017',106,20241019,20241118,20241129,1,66.5,0),
('INV-2024-018',108,20241010,20241024,20241120,1,66.5,0),
('INV-2024-019',110,20241016,20241030,20241112,1,317.5,0),
('INV-2024-020',115,20241007,20241021,20241010,1,297.5,0);
INSERT INTO invoices VALUES
('INV-2024-021',101,20241214,20250113,20241217,6,935.0,0),
('INV-2024-022',102,20241225,20250124,20250105,4,320.0,0),
('INV-2024-023',105,20241211,20250110,20250107,1,66.5,0),
('INV-2024-024',110,20241223,20250106,20241226,1,282.0,35.5),
('INV-2025-025',102,20250116,20250130,20250226,4,300.0,20.0);
INSERT INTO invoices VALUES
('INV-2025-026',107,20250113,20250127,20250126,2,325.0,0),
('INV-2025-027',108,20250103,20250202,20250116,1,31.0,35.5),
('INV-2025-028',104,20250223,20250309,20250306,6,1015.0,20.0),
('INV-2025-029',106,20250218,20250320,20250221,1,66.5,0),
('INV-2025-030',112,20250214,20250228,20250306,1,76.5,0);
INSERT INTO invoices VALUES
('INV-2025-031',113,20250226,20250312,20250306,1,947.5,0),
('INV-2025-032',103,20250326,20250425,NULL,2,285.0,20.0),
('INV-2025-033',104,20250322,20250421,20250325,6,1035.0,0),
('INV-2025-034',106,20250301,20250331,20250314,1,31.0,35.5),
('INV-2025-035',110,20250320,20250403,20250402,1,317.5,0);
INSERT INTO invoices VALUES
('INV-2025-036',102,20250407,20250421,20250415,4,320.0,0),
('INV-2025-037',103,20250423,20250507,20250513,2,269.5,35.5),
('INV-2025-038',104,20250425,20250525,20250503,6,999.5,35.5),
('INV-2025-039',113,20250413,20250427,20250421,3,962.5,0),
('INV-2025-040',110,20250519,20250618,20250522,2,325.0,0);
INSERT INTO invoices VALUES
('INV-2025-041',113,20250527,20250610,20250609,3,962.5,0),
('INV-2025-042',101,20250607,20250621,20250621,6,915.0,20.0),
('INV-2025-043',104,20250604,20250704,20250615,6,1035.0,0),
('INV-2025-044',105,20250622,20250706,NULL,1,66.5,0),
('INV-2025-045',112,20250614,20250714,NULL,1,76.5,0);
INSERT INTO invoices VALUES
('INV-2025-046',113,20250615,20250715,20250618,3,962.5,0);
