CREATE TABLE dim_date (date_key INTEGER PRIMARY KEY, cal_date TEXT, cal_year INTEGER, cal_quarter INTEGER, cal_month INTEGER, month_name TEXT, month_key INTEGER, day_name TEXT, weekend_flag TEXT /* Y, N */);
CREATE TABLE dim_department (dept_key INTEGER PRIMARY KEY, dept_code TEXT, dept_name TEXT, building TEXT, floor_no INTEGER);
CREATE TABLE dim_doctor (doctor_key INTEGER PRIMARY KEY, staff_no TEXT, doctor_name TEXT, grade TEXT, specialty TEXT, dept_key INTEGER REFERENCES dim_department(dept_key), hired_key INTEGER, left_key INTEGER, weekly_hours INTEGER);
CREATE TABLE dim_insurer (insurer_key INTEGER PRIMARY KEY, insurer_code TEXT, insurer_name TEXT, insurer_type TEXT, seat_city TEXT, copay_pct INTEGER);
CREATE TABLE dim_patient (patient_key INTEGER PRIMARY KEY, patient_no TEXT, patient_name TEXT, sex TEXT, birth_year INTEGER, town TEXT, phone TEXT, valid_from INTEGER, valid_to INTEGER, is_current INTEGER);
CREATE TABLE dim_treatment (treatment_key INTEGER PRIMARY KEY, treat_code TEXT, treat_name TEXT, treat_group TEXT, list_fee REAL, std_minutes INTEGER, anaesthesia TEXT);
CREATE TABLE fact_visit (visit_id INTEGER PRIMARY KEY, date_key INTEGER REFERENCES dim_date(date_key), patient_key INTEGER, doctor_key INTEGER REFERENCES dim_doctor(doctor_key), insurer_key INTEGER, visit_type TEXT, wait_min INTEGER, fee_amt REAL, copay_amt REAL, rating INTEGER);
CREATE TABLE fact_treatment_line (visit_id INTEGER, line_no INTEGER, treatment_key INTEGER, qty INTEGER, charged_amt REAL, material_cost REAL);
CREATE TABLE fact_cancellation (cancel_id INTEGER PRIMARY KEY, planned_key INTEGER, cancelled_key INTEGER, patient_key INTEGER, doctor_key INTEGER, reason TEXT, no_show INTEGER, penalty_amt REAL);
CREATE TABLE fact_bed_snapshot (snapshot_key INTEGER, dept_key INTEGER, beds_total INTEGER, beds_occupied INTEGER, beds_blocked INTEGER);
CREATE TABLE fact_budget (month_key INTEGER, dept_key INTEGER, visits_plan INTEGER, fee_plan REAL);
CREATE TABLE stg_visit_load (load_id INTEGER, src_file TEXT, raw_visit TEXT, raw_fee TEXT, load_status TEXT, loaded_at TEXT);
INSERT INTO dim_date WITH RECURSIVE d(x) AS (SELECT '2023-01-01' UNION ALL SELECT date(x, '+1 day') FROM d WHERE x < '2024-12-31') SELECT CAST(strftime('%Y%m%d', x) AS INTEGER), x, CAST(strftime('%Y', x) AS INTEGER), (CAST(strftime('%m', x) AS INTEGER) + 2) / 3, CAST(strftime('%m', x) AS INTEGER), rtrim(substr('January  February March    April    May      June     July     August   SeptemberOctober  November December ', (CAST(strftime('%m', x) AS INTEGER) - 1) * 9 + 1, 9)), CAST(strftime('%Y%m', x) AS INTEGER), rtrim(substr('Sunday   Monday   Tuesday  WednesdayThursday Friday   Saturday ', CAST(strftime('%w', x) AS INTEGER) * 9 + 1, 9)), CASE WHEN strftime('%w', x) IN ('0', '6') THEN 'Y' ELSE 'N' END FROM d;
INSERT INTO dim_department VALUES
(-1,'UNK','Unknown',NULL,NULL),(1,'CAR','Cardiology','Lindenhaus',2),(2,'ORT','Orthopaedics','Lindenhaus',1),(3,'PED','Paediatrics','Garden Wing',0),(4,'DER','Dermatology','Garden Wing',1),(5,'GAS','Gastroenterology','Lindenhaus',3),(6,'EME','Emergency','Main Block',0),(7,'SLP','Sleep Laboratory','Main Block',4);
INSERT INTO dim_doctor VALUES
(-1,'-','Unknown',NULL,NULL,-1,NULL,NULL,NULL),(1,'D101','Dr. Helene Brandvik','chief','Heart rhythm',1,20120401,NULL,40),(2,'D104','Dr. Osman Tekyol','senior','Heart failure',1,20180901,NULL,40),
(3,'D107','Dr. Pia Lorrentz','resident','General cardiology',1,20230301,NULL,30),(4,'D110','Dr. Ruben Castellano','chief','Hip and knee',2,20091001,NULL,38),(5,'D113','Dr. Mira Oduya','senior','Hand surgery',2,20170115,NULL,32),
(6,'D116','Dr. Jan Wieczorek','senior','Spine',2,20150601,20240630,40),(7,'D119','Dr. Saskia Verhulst','chief','Neonatology',3,20140201,NULL,40),(8,'D122','Dr. Tomas Halloran','resident','General paediatrics',3,20220801,NULL,20),
(9,'D125','Dr. Amara Nkemelu','senior','Skin cancer',4,20190401,NULL,36),(10,'D128','Dr. Luc Fontanel','senior','Allergies',4,20160901,NULL,24),(11,'D131','Dr. Ewa Stachura','chief','Endoscopy',5,20110701,NULL,40),
(12,'D134','Dr. Nils Aakre','resident','Trauma',6,20230901,NULL,40),(13,'D137','Dr. Yuki Hamasaki','senior','Trauma',6,20200101,NULL,40),(14,'D140','Dr. Greta Solheim','senior','Sleep medicine',7,20240901,NULL,16);
INSERT INTO dim_insurer VALUES
(-1,'-','Unknown',NULL,NULL,NULL),(1,'NOK','Nordkasse','public','Hamburg',10),(2,'BKV','Bergland Krankenkasse','public','Kempten',10),(3,'AUR','Aurelia Privat','private','Munich',0),
(4,'SIG','Sigma Health','private','Zurich',5),(5,'TRW','Transwelt Travel','travel','Frankfurt',20),(6,'SLF','Self payer','none',NULL,100),(7,'HAN','Hansa Mutual','public','Bremen',10);
INSERT INTO dim_patient VALUES
(-1,'-','Unknown',NULL,NULL,NULL,NULL,20200101,99991231,1),(1,'P0201','Anke Sommerfeld','F',1958,'Seebach','05439479',20200101,20230930,0),(2,'P0201','Anke Sommerfeld','F',1958,'Altmühl','05439479',20231001,99991231,1),
(3,'P0202','Bruno Keil','M',1949,'Altmühl',NULL,20200101,99991231,1),(4,'P0203','Carla Döring','F',1987,'Seebach','05633160',20200101,99991231,1),(5,'P0204','Deniz Arslan','M',1979,'Hohenfeld','05750148',20200101,20240229,0),
(6,'P0204','Deniz Arslan','M',1979,'Seebach','05750148',20240301,99991231,1),(7,'P0205','Elif Yaman','F',2016,'Hohenfeld','05937434',20200101,99991231,1),(8,'P0206','Fritz Oberle','M',1941,'Rotbach',NULL,20200101,99991231,1),
(9,'P0207','Gesa Mahnke','F',1993,'Seebach','05108891',20200101,20240514,0),(10,'P0207','Gesa Mahnke','F',1993,'Rotbach','05108891',20240515,99991231,1),(11,'P0208','Henri Dupas','M',1968,'Altmühl','05377800',20200101,99991231,1),
(12,'P0209','Ines Capelo','F',2001,'Hohenfeld','05262304',20200101,99991231,1),(13,'P0210','Jorn Tveit','M',2019,'Seebach',NULL,20200101,99991231,1),(14,'P0211','Klara Bentz','F',1972,'Rotbach','05962095',20200101,20231114,0),
(15,'P0211','Klara Bentz','F',1972,'Hohenfeld','05962095',20231115,99991231,1),(16,'P0212','Leo Winkelried','M',1985,'Altmühl','05893417',20200101,99991231,1),(17,'P0213','Maja Petrov','F',1964,'Seebach','05308948',20200101,99991231,1),
(18,'P0214','Noah Fiedler','M',2013,'Altmühl',NULL,20200101,99991231,1),(19,'P0215','Olga Saizew','F',1955,'Hohenfeld','05376142',20200101,99991231,1),(20,'P0216','Paul Ostermann','M',1990,'Seebach','05190957',20200101,99991231,1),
(21,'P0217','Rita Vollmer','F',1977,'Neukirch','05309179',20200101,99991231,1),(22,'P0218','Sven Haglund','M',1982,'Neukirch','05637114',20200101,20240731,0),(23,'P0218','Sven Haglund','M',1982,'Altmühl','05637114',20240801,99991231,1);
INSERT INTO dim_treatment VALUES
(1,'T10','ECG','Diagnostics',45,15,'N'),(2,'T11','Ultrasound','Diagnostics',80,25,'N'),(3,'T12','X-ray','Diagnostics',60,10,'N'),(4,'T13','MRI scan','Diagnostics',320,45,'N'),
(5,'T20','Blood panel','Laboratory',38.5,5,'N'),(6,'T21','Allergy test','Laboratory',72,30,'N'),(7,'T30','Gastroscopy','Endoscopy',260,40,'Y'),(8,'T31','Colonoscopy','Endoscopy',310,50,'Y'),
(9,'T40','Plaster cast','Procedures',95,30,'N'),(10,'T41','Knee arthroscopy','Procedures',890,90,'Y'),(11,'T42','Mole removal','Procedures',140,20,'N'),(12,'T50','Physiotherapy','Therapy',42,30,'N'),
(13,'T51','Light therapy','Therapy',35,20,'N'),(14,'T52','Hydrotherapy','Therapy',48,40,'N'),(15,'T60','Sleep study','Sleep',540,480,'N');
INSERT INTO fact_visit VALUES
(1000,20230114,12,13,3,'emergency',78,75,0,5),(1001,20230125,11,2,4,'follow-up',36,110,5.5,5),(1002,20230131,11,10,4,'follow-up',39,60.5,3.02,NULL),(1003,20230203,5,11,1,'first',30,110,11,NULL),
(1004,20230206,3,5,4,'follow-up',35,75,3.75,3),(1005,20230210,8,13,1,'emergency',52,82.5,8.25,NULL),(1006,20230212,9,13,2,'emergency',36,115,11.5,5),(1007,20230214,19,10,4,'follow-up',17,35,1.75,3),
(1008,20230220,20,2,1,'follow-up',11,85,8.5,4),(1009,20230222,11,1,4,'check-up',14,115,5.75,NULL),(1010,20230226,17,13,3,'emergency',89,122.5,0,5),(1011,20230317,3,10,4,'follow-up',55,70,3.5,2),
(1012,20230321,22,6,3,'check-up',34,110,0,4),(1013,20230410,7,7,2,'first',20,48,4.8,2),(1014,20230517,5,11,1,'follow-up',15,52.5,5.25,NULL),(1015,20230519,3,11,4,'follow-up',51,53,2.65,5),
(1016,20230522,9,9,2,'check-up',10,35,3.5,2),(1017,20230704,-1,9,-1,'follow-up',23,102.5,0,NULL),(1018,20230706,12,3,3,'follow-up',1,48,0,4),(1019,20230719,19,13,4,'emergency',12,65,3.25,NULL),
(1020,20230724,11,11,4,'follow-up',34,60.5,3.02,5),(1021,20230801,-1,5,5,'check-up',21,85,17,3),(1022,20230802,-1,7,5,'first',7,110,22,4),(1023,20230811,9,10,6,'follow-up',33,110,110,NULL),
(1024,20230812,-1,13,-1,'emergency',32,35,0,2),(1025,20230818,19,11,4,'follow-up',7,75,3.75,NULL),(1026,20230828,16,11,1,'check-up',24,48,4.8,2),(1027,20230917,5,13,1,'emergency',52,97.5,9.75,NULL),
(1028,20230928,22,3,3,'first',48,53,0,5),(1029,20230929,4,5,4,'follow-up',55,82.5,4.12,3),(1030,20231005,17,5,3,'check-up',3,77.5,0,4),(1031,20231015,19,13,4,'emergency',71,48,2.4,3),
(1032,20231020,16,4,1,'follow-up',34,122.5,12.25,4),(1033,20231026,4,5,4,'first',34,35,1.75,NULL),(1034,20231104,9,12,2,'emergency',NULL,70,7,NULL),(1035,20231107,20,2,1,'follow-up',36,48,4.8,4),
(1036,20231114,22,11,3,'first',33,57.5,0,5),(1037,20231208,19,9,4,'check-up',53,52.5,2.62,NULL),(1038,20231215,22,3,3,'check-up',14,35,0,2),(1039,20231220,15,3,1,'first',26,77.5,7.75,NULL),
(1040,20231225,16,10,6,'first',9,115,115,5),(1041,20231227,15,1,1,'follow-up',18,82.5,8.25,NULL),(1042,20240105,12,5,3,'follow-up',49,102.5,0,NULL),(1043,20240105,19,3,4,'first',34,122.5,6.12,3),
(1044,20240109,20,6,1,'first',36,35,3.5,5),(1045,20240114,16,12,1,'emergency',88,48,4.8,NULL),(1046,20240123,8,13,1,'emergency',91,70,7,NULL),(1047,20240228,4,12,6,'emergency',NULL,77.5,77.5,3),
(1048,20240304,12,3,3,'follow-up',43,40,0,NULL),(1049,20240306,18,8,2,'check-up',27,90,9,5),(1050,20240311,7,8,2,'first',44,65,6.5,5),(1051,20240315,17,4,3,'follow-up',NULL,52.5,0,5),
(1052,20240404,-1,5,5,'first',2,97.5,19.5,3),(1053,20240405,2,2,2,'follow-up',50,40,4,5),(1054,20240411,4,5,4,'first',8,65,3.25,5),(1055,20240514,2,4,2,'follow-up',4,70,7,5),
(1056,20240515,4,1,4,'check-up',1,70,3.5,4),(1057,20240517,8,3,1,'follow-up',24,110,11,NULL),(1058,20240523,13,7,2,'check-up',50,48,4.8,4),(1059,20240528,17,11,3,'check-up',10,102.5,0,5),
(1060,20240531,11,3,4,'follow-up',21,97.5,4.88,3),(1061,20240604,13,8,2,'check-up',32,65,6.5,NULL),(1062,20240607,20,2,1,'follow-up',22,122.5,12.25,5),(1063,20240622,6,12,1,'emergency',NULL,85,8.5,NULL),
(1064,20240704,15,2,1,'follow-up',43,60.5,6.05,3),(1065,20240710,12,3,3,'first',29,97.5,0,4),(1066,20240717,22,4,3,'follow-up',3,102.5,0,2),(1067,20240718,16,2,1,'follow-up',18,65,6.5,2),
(1068,20240806,8,10,1,'first',51,102.5,10.25,NULL),(1069,20240812,11,2,4,'check-up',34,85,4.25,NULL),(1070,20240816,17,2,3,'check-up',40,90,0,NULL),(1071,20240819,16,3,1,'first',32,95,9.5,4),
(1072,20240825,6,12,1,'emergency',89,110,11,NULL),(1073,20240907,6,13,1,'emergency',45,85,8.5,3),(1074,20240908,23,12,3,'emergency',91,85,0,2),(1075,20240918,7,7,2,'follow-up',33,110,11,3),
(1076,20240924,23,9,3,'follow-up',14,35,0,4),(1077,20240926,20,4,1,'follow-up',29,52.5,5.25,5),(1078,20241001,13,8,2,'check-up',31,65,6.5,4),(1079,20241017,3,10,4,'follow-up',54,90,4.5,5),
(1080,20241018,18,8,2,'first',41,60.5,6.05,NULL),(1081,20241031,3,11,4,'first',21,122.5,6.12,4),(1082,20241031,23,1,3,'follow-up',3,90,0,2),(1083,20241107,20,3,1,'follow-up',31,90,9,5),
(1084,20241112,18,7,2,'follow-up',35,90,9,NULL),(1085,20241113,20,11,6,'check-up',53,110,110,2),(1086,20241115,18,8,2,'follow-up',3,90,9,NULL),(1087,20241121,8,1,1,'follow-up',54,77.5,7.75,5),
(1088,20241202,19,5,4,'follow-up',19,40,2,4),(1089,20241209,13,8,2,'follow-up',14,122.5,12.25,NULL),(1090,20241213,12,10,5,'first',32,35,7,2),(1091,20241217,2,10,2,'first',51,70,7,3),
(1092,20241219,23,4,3,'check-up',26,53,0,2),(1093,20241224,13,7,2,'follow-up',0,65,6.5,4),(1094,20241225,16,2,1,'follow-up',8,85,8.5,NULL),(1095,20241225,15,12,1,'emergency',86,115,11.5,5);
INSERT INTO fact_treatment_line VALUES
(1000,1,1,1,45,9.9),(1001,1,5,2,77,16.94),(1003,1,8,1,310,31),(1005,1,5,1,46.2,10.16),(1005,2,1,1,45,9.9),(1006,1,1,1,40.5,8.91),(1006,2,3,1,72,15.84),
(1008,1,5,1,38.5,11.55),(1009,1,1,1,45,13.5),(1010,1,9,1,114,25.08),(1011,1,13,1,35,7.7),(1012,1,3,1,60,6),(1012,2,10,1,801,240.3),(1014,1,8,1,310,31),
(1015,1,7,1,260,39),(1016,1,5,1,38.5,3.85),(1017,1,11,1,140,42),(1017,2,5,1,38.5,5.77),(1018,1,5,1,34.65,10.39),(1019,1,3,1,60,9),(1021,1,9,1,85.5,12.82),
(1022,1,5,1,34.65,7.62),(1022,2,6,1,86.4,12.96),(1023,1,6,1,72,10.8),(1023,2,13,2,84,18.48),(1024,1,1,1,45,4.5),(1025,1,5,1,34.65,5.2),(1026,1,7,1,260,78),
(1028,1,5,1,34.65,5.2),(1029,1,3,1,72,21.6),(1030,1,4,1,384,115.2),(1030,2,9,1,95,9.5),(1032,1,3,1,60,18),(1033,1,12,1,42,4.2),(1033,2,9,1,95,28.5),
(1034,1,1,1,45,6.75),(1035,1,5,2,77,11.55),(1036,1,2,1,80,8),(1038,1,5,1,38.5,11.55),(1039,1,5,2,77,23.1),(1040,1,6,1,72,15.84),(1040,2,11,1,126,37.8),
(1041,1,2,1,80,12),(1043,1,5,1,38.5,11.55),(1044,1,4,1,288,43.2),(1045,1,5,2,77,11.55),(1046,1,9,1,95,14.25),(1047,1,5,1,38.5,11.55),(1048,1,2,1,80,12),
(1049,1,5,1,38.5,5.77),(1050,1,6,1,86.4,8.64),(1051,1,9,1,114,25.08),(1052,1,12,1,37.8,3.78),(1053,1,1,1,45,9.9),(1053,2,5,1,38.5,3.85),(1054,1,10,1,890,133.5),
(1055,1,12,1,37.8,5.67),(1056,1,5,1,38.5,11.55),(1057,1,2,1,96,21.12),(1058,1,5,1,38.5,11.55),(1059,1,8,1,310,68.2),(1060,1,2,1,80,12),(1062,1,1,1,45,4.5),
(1063,1,3,2,120,36),(1064,1,1,1,45,4.5),(1065,1,1,1,45,13.5),(1065,2,5,2,77,7.7),(1067,1,1,1,54,11.88),(1068,1,5,1,34.65,10.39),(1069,1,2,1,96,14.4),
(1069,2,5,2,69.3,15.25),(1071,1,1,1,54,8.1),(1073,1,1,1,45,4.5),(1075,1,6,1,64.8,6.48),(1076,1,13,2,70,21),(1077,1,9,1,95,28.5),(1077,2,10,1,801,240.3),
(1078,1,5,1,34.65,3.46),(1079,1,5,1,38.5,3.85),(1079,2,6,1,72,10.8),(1080,1,2,1,80,17.6),(1080,2,6,1,72,7.2),(1081,1,8,1,310,93),(1082,1,2,1,80,17.6),
(1083,1,5,2,77,7.7),(1084,1,5,2,77,11.55),(1085,1,2,1,96,28.8),(1086,1,6,1,72,10.8),(1087,1,2,1,80,17.6),(1088,1,12,1,42,9.24),(1091,1,13,1,31.5,3.15),
(1091,2,6,1,72,15.84),(1092,1,10,1,890,133.5),(1093,1,5,1,38.5,3.85),(1094,1,1,1,54,5.4),(1095,1,9,1,95,20.9);
INSERT INTO fact_cancellation VALUES
(501,20230116,20230111,12,6,'work',0,0),(502,20230228,20230227,19,1,'transport',0,0),(503,20230327,20230327,5,6,'felt better',0,15),(504,20230504,20230501,21,9,'doctor absent',0,0),(505,20230531,NULL,12,2,NULL,1,25),
(506,20230606,20230603,14,9,'felt better',0,0),(507,20230707,NULL,11,1,'forgot',1,40),(508,20230717,NULL,12,4,NULL,1,25),(509,20230724,20230719,8,4,'doctor absent',0,0),(510,20230911,NULL,3,3,'forgot',1,40),
(511,20230913,20230908,7,7,'felt better',0,0),(512,20230922,NULL,22,3,'forgot',1,40),(513,20230926,20230912,12,1,'doctor absent',0,0),(514,20231016,20231015,3,2,'illness',0,0),(515,20231030,20231025,21,8,'work',0,0),
(516,20231108,20231107,22,5,'transport',0,0),(517,20231110,20231109,8,3,'doctor absent',0,0),(518,20231114,NULL,3,5,NULL,1,40),(519,20231117,20231114,22,2,'illness',0,0),(520,20231127,20231126,20,9,'work',0,0),
(521,20231129,NULL,13,8,'forgot',1,40),(522,20231201,20231123,21,4,'work',0,0),(523,20231204,20231202,22,4,'work',0,0),(524,20240105,NULL,16,9,'forgot',1,40),(525,20240122,NULL,3,5,'forgot',1,25),
(526,20240221,20240219,9,9,'work',0,0),(527,20240401,20240330,21,6,'doctor absent',0,0),(528,20240402,20240402,12,3,'illness',0,15),(529,20240429,NULL,2,5,NULL,1,40),(530,20240510,20240509,13,8,'doctor absent',0,0),
(531,20240708,NULL,20,3,'forgot',1,40),(532,20240823,NULL,16,4,NULL,1,25),(533,20241209,NULL,21,2,NULL,1,40),(534,20241213,20241212,15,11,'illness',0,0);
INSERT INTO fact_bed_snapshot VALUES
(20240831,1,22,21,0),(20240831,2,30,24,2),(20240831,3,16,9,0),(20240831,5,14,11,0),(20240831,6,10,5,2),(20240930,1,22,19,0),(20240930,2,30,23,1),(20240930,3,16,11,1),(20240930,5,14,14,0),
(20240930,6,10,7,2),(20241031,1,22,14,1),(20241031,2,28,15,0),(20241031,3,16,8,0),(20241031,5,14,13,1),(20241031,6,10,10,0),(20241130,1,22,15,0),(20241130,2,28,25,2),(20241130,3,16,15,1),
(20241130,5,14,9,1),(20241130,6,10,8,0),(20241231,1,22,15,0),(20241231,2,28,24,1),(20241231,3,16,9,2),(20241231,5,14,12,2),(20241231,6,10,6,0);
INSERT INTO fact_budget VALUES
(202407,1,1,80),(202407,2,2,140),(202407,3,1,90),(202407,4,1,90),(202407,5,1,50),(202407,6,1,100),(202408,1,2,160),(202408,2,1,70),(202408,3,1,60),
(202408,4,2,120),(202408,5,1,60),(202408,6,1,70),(202409,1,1,90),(202409,2,2,180),(202409,3,1,80),(202409,4,2,120),(202409,5,1,60),(202409,6,1,90),
(202410,1,1,50),(202410,2,1,60),(202410,3,1,80),(202410,4,1,90),(202410,5,1,80),(202410,6,1,90),(202411,1,1,100),(202411,2,2,100),(202411,3,1,60),
(202411,4,1,60),(202411,5,1,80),(202411,6,1,70),(202412,1,1,60),(202412,2,1,100),(202412,3,1,80),(202412,4,1,90),(202412,5,1,70),(202412,6,1,60);
INSERT INTO stg_visit_load VALUES
(1,'visits_202408.csv','V-1079','52,50','ok','2024-08-28 02:17:00'),(2,'visits_202409.csv','V-1086','48','ok','2024-09-28 02:13:00'),(3,'visits_202409.csv','V-1079','85,00','rejected','2024-09-28 02:10:00'),
(4,'visits_202410.csv','V-1106','52,50','dup','2024-10-28 02:16:00'),(5,'visits_202411.csv','V-1110','85,00','ok','2024-11-28 02:18:00');
