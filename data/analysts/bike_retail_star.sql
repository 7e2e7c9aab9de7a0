CREATE TABLE dim_date (date_key INTEGER PRIMARY KEY, full_date TEXT, year_no INTEGER, quarter_no INTEGER, month_no INTEGER, month_name TEXT, month_key INTEGER, weekday_name TEXT, is_weekend INTEGER);
CREATE TABLE dim_category (category_key INTEGER PRIMARY KEY, category_name TEXT, parent_key INTEGER /* main category */);
CREATE TABLE dim_product (product_key INTEGER PRIMARY KEY, sku TEXT, product_name TEXT, brand TEXT, category_key INTEGER REFERENCES dim_category(category_key), list_price REAL, unit_cost REAL, weight_kg REAL, launch_key INTEGER, discontinued_key INTEGER);
CREATE TABLE dim_shop (shop_key INTEGER PRIMARY KEY, shop_code TEXT, shop_name TEXT, city TEXT, region TEXT, floor_sqm INTEGER, has_workshop INTEGER, opened_key INTEGER, manager_name TEXT);
CREATE TABLE dim_customer (customer_key INTEGER PRIMARY KEY, customer_no TEXT, customer_name TEXT, segment TEXT, city TEXT, email TEXT, birth_year INTEGER, valid_from INTEGER, valid_to INTEGER, is_current INTEGER /* one row per version */);
CREATE TABLE dim_promotion (promo_key INTEGER PRIMARY KEY, promo_name TEXT, promo_type TEXT, discount_pct INTEGER, start_key INTEGER, end_key INTEGER);
CREATE TABLE fact_sales (receipt_no INTEGER, line_no INTEGER, date_key INTEGER REFERENCES dim_date(date_key), shop_key INTEGER REFERENCES dim_shop(shop_key), customer_key INTEGER, product_key INTEGER REFERENCES dim_product(product_key), promo_key INTEGER, quantity INTEGER, net_amount REAL, discount_amount REAL, cost_amount REAL, pay_method TEXT, PRIMARY KEY (receipt_no, line_no));
CREATE TABLE fact_returns (return_id INTEGER PRIMARY KEY, receipt_no INTEGER, line_no INTEGER, return_date_key INTEGER, shop_key INTEGER, product_key INTEGER, quantity INTEGER, refund_amount REAL, reason TEXT);
CREATE TABLE fact_stock_snapshot (snapshot_key INTEGER, shop_key INTEGER, product_key INTEGER, units_on_hand INTEGER, units_on_order INTEGER, reorder_level INTEGER);
CREATE TABLE fact_target (month_key INTEGER, shop_key INTEGER, target_amount REAL, target_receipts INTEGER);
CREATE TABLE etl_load_log (load_id INTEGER PRIMARY KEY, table_name TEXT, started_at TEXT, finished_at TEXT, rows_read INTEGER, rows_rejected INTEGER, load_status TEXT);
CREATE TABLE stg_sales_raw (file_name TEXT, raw_line INTEGER, raw_receipt TEXT, raw_sku TEXT, raw_amount TEXT, checked TEXT);
INSERT INTO dim_date WITH RECURSIVE d(x) AS (SELECT '2023-01-01' UNION ALL SELECT date(x, '+1 day') FROM d WHERE x < '2024-12-31') SELECT CAST(strftime('%Y%m%d', x) AS INTEGER), x, CAST(strftime('%Y', x) AS INTEGER), (CAST(strftime('%m', x) AS INTEGER) + 2) / 3, CAST(strftime('%m', x) AS INTEGER), rtrim(substr('January  February March    April    May      June     July     August   SeptemberOctober  November December ', (CAST(strftime('%m', x) AS INTEGER) - 1) * 9 + 1, 9)), CAST(strftime('%Y%m', x) AS INTEGER), rtrim(substr('Sunday   Monday   Tuesday  WednesdayThursday Friday   Saturday ', CAST(strftime('%w', x) AS INTEGER) * 9 + 1, 9)), CASE WHEN strftime('%w', x) IN ('0', '6') THEN 1 ELSE 0 END FROM d;
INSERT INTO dim_category VALUES
(-1,'Unknown',NULL),(1,'Bikes',NULL),(2,'Clothing',NULL),(3,'Parts',NULL),(10,'City bikes',1),(11,'Road bikes',1),(12,'E-bikes',1),(13,'Kids bikes',1),(20,'Helmets',2),(21,'Jackets',2),(30,'Tyres',3),(31,'Lights',3),(32,'Locks',3);
INSERT INTO dim_product VALUES
(1,'CB-100','Plover 3','Kestrel',10,549,330,17.4,20220301,NULL),(2,'CB-110','Plover 7','Kestrel',10,699,420,16.9,20230201,NULL),(3,'CB-200','Harbour Step','Lumo',10,479,290,18.2,20210501,20240331),
(4,'RB-300','Talus SL','Ridgeway',11,1890,1210,8.6,20230401,NULL),(5,'RB-310','Talus Sport','Ridgeway',11,1240,800,9.8,20220401,NULL),(6,'EB-400','Volta City','Lumo',12,2390,1600,23.5,20230301,NULL),
(7,'EB-410','Volta Cargo','Lumo',12,3980,2850,36,20240115,NULL),(8,'KB-500','Finch 16','Kestrel',13,259,150,8.1,20220901,NULL),(9,'KB-510','Finch 20','Kestrel',13,299,175,9.4,20220901,NULL),
(10,'HE-600','Shellback','Noggin',20,79,34,0.3,20210301,NULL),(11,'HE-610','Shellback Kids','Noggin',20,49,21,0.25,20210301,NULL),(12,'JA-700','Drizzle','Nordvind',21,129,61,0.4,20220801,NULL),
(13,'JA-710','Squall Pro','Nordvind',21,219,108,0.5,20231001,NULL),(14,'TY-800','Marathon 28','Gripz',30,34.9,17.5,0.8,20200101,NULL),(15,'TY-810','Slick 25','Gripz',30,44.9,24,0.25,20200101,20231231),
(16,'LI-900','Beamer 80','Lumo',31,59,27,0.2,20220101,NULL),(17,'LI-910','Tail Glow','Lumo',31,24.5,9,0.05,20220101,NULL),(18,'LO-950','Bulldog Chain','Fortis',32,89,41,2.6,20210601,NULL),
(19,'LO-960','Bulldog Mini','Fortis',32,39,16,NULL,20241101,NULL);
INSERT INTO dim_shop VALUES
(-1,'-','Unknown',NULL,NULL,NULL,NULL,NULL,NULL),(1,'AAR','Aarburg Central','Aarburg','North',620,1,20120315,'Heike Brandt'),(2,'AAW','Aarburg West','Aarburg','North',310,0,20190901,'Jonas Pfeil'),
(3,'KIR','Kirnach','Kirnach','South',450,1,20150420,'Mirela Stan'),(4,'TRE','Trebau','Trebau','South',280,1,20220606,NULL),(5,'LIN','Linnhaven','Linnhaven','Coast',390,0,20170510,'Piet Hoekstra'),
(6,'WEB','Web shop',NULL,'Online',NULL,0,20200401,'Sanna Koski'),(7,'OST','Ostrand Outlet','Ostrand','Coast',510,0,20241201,'Lars Munk');
INSERT INTO dim_customer VALUES
(-1,'-','Unknown',NULL,NULL,NULL,NULL,20200101,99991231,1),(1,'C1001','Ada Wirth','private','Aarburg','ada.wirth@ex.org',1984,20200101,99991231,1),(2,'C1002','Boris Kemp','private','Kirnach','boris.kemp@ex.org',1971,20200101,20230930,0),
(3,'C1002','Boris Kemp','private','Aarburg','boris.kemp@ex.org',1971,20231001,99991231,1),(4,'C1003','Cleo Hartog','club','Linnhaven','cleo.hartog@ex.org',1990,20200101,99991231,1),(5,'C1004','Dario Fenn','private','Trebau','dario.fenn@ex.org',1996,20200101,20240331,0),
(6,'C1004','Dario Fenn','club','Trebau','dario.fenn@ex.org',1996,20240401,99991231,1),(7,'C1005','Elke Sandau','private','Aarburg',NULL,1958,20200101,99991231,1),(8,'C1006','Fahrdienst Blitz','business','Aarburg','fahrdienst.blitz@ex.org',NULL,20200101,99991231,1),
(9,'C1007','Gero Malik','private','Kirnach',NULL,2001,20200101,99991231,1),(10,'C1008','Hanna Ruf','club','Trebau','hanna.ruf@ex.org',1979,20200101,20230614,0),(11,'C1008','Hanna Ruf','club','Kirnach','hanna.ruf@ex.org',1979,20230615,99991231,1),
(12,'C1009','Ivo Steger','private','Linnhaven',NULL,1967,20200101,99991231,1),(13,'C1010','Jule Paasch','private','Aarburg','jule.paasch@ex.org',1993,20200101,20240630,0),(14,'C1010','Jule Paasch','private','Linnhaven','jule.paasch@ex.org',1993,20240701,99991231,1),
(15,'C1011','Kita Sonnenhang','business','Kirnach','kita.sonnenhang@ex.org',NULL,20200101,99991231,1),(16,'C1012','Lotte Friis','private','Linnhaven','lotte.friis@ex.org',1988,20200101,20240131,0),(17,'C1012','Lotte Friis','business','Linnhaven','lotte.friis@ex.org',1988,20240201,99991231,1),
(18,'C1013','Milo Tarent','club','Aarburg','milo.tarent@ex.org',1975,20200101,99991231,1),(19,'C1014','Nele Oswald','private','Trebau','nele.oswald@ex.org',1999,20200101,99991231,1),(20,'C1015','Oskar Bielik','private','Ostrand',NULL,1963,20200101,99991231,1),
(21,'C1016','Pia Zander','private','Ostrand','pia.zander@ex.org',1986,20200101,99991231,1);
INSERT INTO dim_promotion VALUES
(0,'No promotion',NULL,0,NULL,NULL),(1,'Spring Kickoff','season',10,20230315,20230415),(2,'Summer Sale','season',15,20230710,20230831),
(3,'Black Week','event',20,20231120,20231127),(4,'Spring Kickoff 24','season',10,20240315,20240415),(5,'Club Days','loyalty',12,20240601,20240616),
(6,'Summer Sale 24','season',15,20240708,20240831),(7,'Black Week 24','event',20,20241122,20241129),(8,'Trade-in Bonus','loyalty',5,20241001,20241231);
INSERT INTO fact_sales VALUES
(5001,1,20230105,1,18,11,0,3,147,0,63,'card'),(5004,1,20230107,2,5,16,0,3,177,0,81,'card'),(5004,2,20230107,2,5,12,0,1,129,0,61,'card'),(5004,3,20230107,2,5,16,0,1,59,0,27,'card'),(5006,1,20230117,5,1,8,0,1,259,0,150,'card'),
(5006,2,20230117,5,1,11,0,3,147,0,63,'card'),(5008,1,20230123,1,18,9,0,1,299,0,175,'card'),(5008,2,20230123,1,18,12,0,3,387,0,183,'card'),(5008,3,20230123,1,18,10,0,1,79,0,34,'card'),(5010,1,20230129,3,15,15,0,2,89.8,0,48,'card'),
(5010,2,20230129,3,15,11,0,1,49,0,21,'card'),(5010,3,20230129,3,15,14,0,1,34.9,0,17.5,'card'),(5013,1,20230207,3,12,16,0,1,59,0,27,'card'),(5013,2,20230207,3,12,12,0,1,129,0,61,'card'),(5013,3,20230207,3,12,11,0,2,98,0,42,'card'),
(5014,1,20230219,1,-1,10,0,3,237,0,102,'cash'),(5014,2,20230219,1,-1,10,0,1,79,0,34,'cash'),(5014,3,20230219,1,-1,17,0,1,24.5,0,9,'cash'),(5017,1,20230411,5,15,12,1,1,116.1,12.9,61,'invoice'),(5017,2,20230411,5,15,2,1,1,629.1,69.9,420,'invoice'),
(5017,3,20230411,5,15,11,1,1,44.1,4.9,21,'invoice'),(5018,1,20230412,5,1,11,1,1,44.1,4.9,21,'cash'),(5018,2,20230412,5,1,12,1,1,116.1,12.9,61,'cash'),(5020,1,20230413,4,4,18,0,3,267,0,123,'cash'),(5023,1,20230415,4,8,3,1,1,431.1,47.9,290,'card'),
(5025,1,20230504,6,-1,14,0,3,104.7,0,52.5,'invoice'),(5028,1,20230506,3,13,10,0,3,237,0,102,'cash'),(5031,1,20230512,1,18,10,0,1,79,0,34,'invoice'),(5031,2,20230512,1,18,6,0,1,2390,0,1600,'invoice'),(5034,1,20230513,2,-1,11,0,2,98,0,42,'card'),
(5034,2,20230513,2,-1,10,0,1,79,0,34,'card'),(5035,1,20230514,3,8,18,0,1,89,0,41,'card'),(5037,1,20230520,5,13,17,0,1,24.5,0,9,'cash'),(5038,1,20230521,4,-1,18,0,3,267,0,123,'card'),(5039,1,20230605,5,9,16,0,1,59,0,27,'card'),
(5041,1,20230610,1,18,8,0,1,259,0,150,'card'),(5043,1,20230705,1,19,3,0,1,479,0,290,'cash'),(5043,2,20230705,1,19,12,0,3,387,0,183,'cash'),(5043,3,20230705,1,19,14,0,1,34.9,0,17.5,'cash'),(5044,1,20230709,6,5,17,0,1,24.5,0,9,'card'),
(5044,2,20230709,6,5,17,0,1,24.5,0,9,'card'),(5045,1,20230717,6,12,11,2,1,41.65,7.35,21,'card'),(5045,2,20230717,6,12,12,2,1,109.65,19.35,61,'card'),(5048,1,20230729,6,-1,10,2,3,201.45,35.55,102,'invoice'),(5048,2,20230729,6,-1,16,2,2,100.3,17.7,54,'invoice'),
(5048,3,20230729,6,-1,17,2,1,20.83,3.67,9,'invoice'),(5051,1,20230816,1,8,12,2,2,219.3,38.7,122,'cash'),(5051,2,20230816,1,8,8,2,1,220.15,38.85,150,'cash'),(5054,1,20230822,4,12,2,2,1,594.15,104.85,420,'card'),(5055,1,20230826,1,11,14,2,1,29.66,5.24,17.5,'card'),
(5057,1,20230831,3,-1,9,2,1,254.15,44.85,175,'cash'),(5059,1,20230906,1,9,8,0,1,259,0,150,'cash'),(5061,1,20230928,4,16,2,0,1,699,0,420,'card'),(5063,1,20231009,2,12,5,0,1,1240,0,800,'invoice'),(5063,2,20231009,2,12,10,0,1,79,0,34,'invoice'),
(5065,1,20231011,5,11,17,0,2,49,0,18,'card'),(5065,2,20231011,5,11,13,0,1,219,0,108,'card'),(5066,1,20231101,1,-1,13,0,1,219,0,108,'card'),(5069,1,20231104,6,15,13,0,1,219,0,108,'card'),(5071,1,20231112,6,4,2,0,1,699,0,420,'card'),
(5073,1,20231122,1,12,6,3,1,1912,478,1600,'card'),(5075,1,20231201,3,9,3,0,1,479,0,290,'cash'),(5075,2,20231201,3,9,8,0,1,259,0,150,'cash'),(5077,1,20231207,3,19,13,0,1,219,0,108,'card'),(5077,2,20231207,3,19,15,0,1,44.9,0,24,'card'),
(5077,3,20231207,3,19,2,0,1,699,0,420,'card'),(5080,1,20231218,1,15,11,0,1,49,0,21,'cash'),(5080,2,20231218,1,15,5,0,1,1240,0,800,'cash'),(5082,1,20231220,1,15,1,0,1,549,0,330,'card'),(5082,2,20231220,1,15,10,0,1,79,0,34,'card'),
(5084,1,20240102,4,-1,13,0,1,219,0,108,'card'),(5084,2,20240102,4,-1,16,0,3,177,0,81,'card'),(5087,1,20240103,6,8,8,0,1,259,0,150,'invoice'),(5090,1,20240110,1,18,8,0,1,259,0,150,'card'),(5090,2,20240110,1,18,1,0,1,549,0,330,'card'),
(5090,3,20240110,1,18,14,0,3,104.7,0,52.5,'card'),(5091,1,20240118,1,9,17,0,1,24.5,0,9,'card'),(5093,1,20240308,1,13,16,0,1,59,0,27,'card'),(5096,1,20240315,5,5,18,4,1,80.1,8.9,41,'cash'),(5096,2,20240315,5,5,14,4,2,62.82,6.98,35,'cash'),
(5096,3,20240315,5,5,14,4,1,31.41,3.49,17.5,'cash'),(5097,1,20240322,1,17,4,4,1,1701,189,1210,'cash'),(5100,1,20240429,6,18,4,0,1,1890,0,1210,'card'),(5100,2,20240429,6,18,8,0,1,259,0,150,'card'),(5100,3,20240429,6,18,10,0,1,79,0,34,'card'),
(5103,1,20240430,3,-1,18,0,1,89,0,41,'card'),(5103,2,20240430,3,-1,16,0,1,59,0,27,'card'),(5104,1,20240517,2,-1,18,0,1,89,0,41,'card'),(5104,2,20240517,2,-1,4,0,1,1890,0,1210,'card'),(5107,1,20240601,5,1,9,5,1,263.12,35.88,175,'card'),
(5107,2,20240601,5,1,14,5,1,30.71,4.19,17.5,'card'),(5109,1,20240624,6,18,5,0,1,1240,0,800,'card'),(5109,2,20240624,6,18,8,0,1,259,0,150,'card'),(5111,1,20240705,3,3,4,0,1,1890,0,1210,'cash'),(5112,1,20240706,5,17,14,0,1,34.9,0,17.5,'invoice'),
(5113,1,20240710,6,7,11,6,1,41.65,7.35,21,'card'),(5113,2,20240710,6,7,18,6,3,226.95,40.05,123,'card'),(5116,1,20240711,6,-1,10,6,1,67.15,11.85,34,'invoice'),(5116,2,20240711,6,-1,10,6,3,201.45,35.55,102,'invoice'),(5118,1,20240714,1,1,10,6,2,134.3,23.7,68,'card'),
(5119,1,20240717,1,15,1,0,1,549,0,330,'card'),(5122,1,20240720,5,-1,13,6,3,558.45,98.55,324,'cash'),(5125,1,20240814,1,18,1,0,1,549,0,330,'cash'),(5125,2,20240814,1,18,9,0,1,299,0,175,'cash'),(5126,1,20240923,3,12,14,0,3,104.7,0,52.5,'card'),
(5127,1,20240929,6,9,11,0,2,98,0,42,'invoice'),(5130,1,20241103,4,4,5,0,1,1240,0,800,'card'),(5130,2,20241103,4,4,16,0,3,177,0,81,'card'),(5132,1,20241114,4,14,9,0,1,299,0,175,'card'),(5134,1,20241120,5,4,8,0,1,259,0,150,'card'),
(5134,2,20241120,5,4,7,0,1,3980,0,2850,'card'),(5135,1,20241205,1,11,4,0,1,1890,0,1210,'cash'),(5135,2,20241205,1,11,11,0,1,49,0,21,'cash'),(5136,1,20241212,2,-1,1,0,1,549,0,330,'cash'),(5136,2,20241212,2,-1,12,0,1,129,0,61,'cash'),
(5138,1,20241219,1,14,14,0,1,34.9,0,17.5,'card');
INSERT INTO fact_returns VALUES
(801,5013,2,20230217,3,12,1,129,'defect'),(802,5017,3,20230421,5,11,1,44.1,'defect'),(803,5018,1,20230503,5,11,1,44.1,'wrong size'),(804,5043,3,20230712,1,14,1,34.9,'wrong size'),(805,5048,1,20230809,6,10,3,201.45,NULL),
(806,5048,3,20230803,6,17,1,20.83,'wrong size'),(807,5077,3,20231228,3,2,1,699,'defect'),(808,5084,1,20240103,4,13,1,219,'defect'),(809,5096,3,20240404,5,14,1,31.41,'defect'),(810,5100,1,20240520,6,4,1,1890,NULL),
(811,5100,2,20240511,6,8,1,259,'defect'),(812,5109,1,20240706,6,5,1,1240,'changed mind'),(813,5119,1,20240719,1,1,1,549,'defect'),(814,5127,1,20241004,6,11,1,49,NULL),(815,5135,1,20241206,1,4,1,1890,'wrong size');
INSERT INTO fact_stock_snapshot VALUES
(20240930,1,1,0,5,3),(20240930,1,4,11,0,2),(20240930,1,6,1,6,4),(20240930,1,10,5,5,4),(20240930,1,14,3,0,3),(20240930,3,1,14,0,4),(20240930,3,6,3,0,3),(20240930,3,10,7,2,3),(20240930,3,18,1,0,2),(20240930,5,2,5,6,3),(20240930,5,8,8,0,4),(20240930,5,12,5,0,3),
(20241031,1,1,3,5,4),(20241031,1,4,5,0,4),(20241031,1,6,0,6,2),(20241031,1,10,9,6,2),(20241031,1,14,14,0,3),(20241031,3,1,10,2,3),(20241031,3,6,5,0,3),(20241031,3,10,8,2,4),(20241031,3,18,13,0,3),(20241031,5,2,0,0,3),(20241031,5,8,5,6,3),(20241031,5,12,0,0,4),
(20241130,1,1,11,5,2),(20241130,1,4,4,5,3),(20241130,1,6,9,2,4),(20241130,1,10,6,2,3),(20241130,1,14,5,2,3),(20241130,3,1,12,2,2),(20241130,3,6,8,5,2),(20241130,3,10,12,6,2),(20241130,3,18,12,6,2),(20241130,5,2,4,6,3),(20241130,5,8,7,6,3),(20241130,5,12,12,2,4),
(20241231,1,1,14,0,4),(20241231,1,4,3,6,2),(20241231,1,6,13,5,2),(20241231,1,10,2,0,4),(20241231,1,14,10,0,3),(20241231,3,1,1,0,4),(20241231,3,6,5,0,2),(20241231,3,10,3,6,2),(20241231,3,18,5,6,4),(20241231,5,2,10,6,3),(20241231,5,8,1,6,4),(20241231,5,12,6,0,2);
INSERT INTO fact_target VALUES
(202407,1,1600,3),(202407,2,800,4),(202407,3,1500,4),(202407,5,2500,2),(202407,6,2000,4),(202408,1,1600,4),(202408,2,1200,1),(202408,3,2500,1),(202408,5,2500,1),(202408,6,1500,2),
(202409,1,4000,1),(202409,2,2500,3),(202409,3,2000,1),(202409,5,1500,4),(202409,6,2500,3),(202410,1,1600,4),(202410,2,1200,2),(202410,3,1200,4),(202410,5,1200,1),(202410,6,800,4),
(202411,1,4000,3),(202411,2,1200,3),(202411,3,2500,2),(202411,5,1500,2),(202411,6,1500,3),(202412,1,5000,2),(202412,2,800,1),(202412,3,1200,3),(202412,5,1200,2),(202412,6,1500,4);
INSERT INTO etl_load_log VALUES
(1,'fact_sales','2024-12-28 02:05:00','2024-12-28 02:09:00',120,0,'ok'),(2,'fact_returns','2024-12-28 02:11:00','2024-12-28 02:13:00',9,0,'ok'),(3,'fact_sales','2024-12-29 02:05:00','2024-12-29 02:12:00',133,4,'ok'),
(4,'dim_customer','2024-12-29 02:14:00',NULL,40,0,'failed'),(5,'dim_customer','2024-12-29 02:31:00','2024-12-29 02:34:00',40,1,'ok'),(6,'fact_stock_snapshot','2024-12-31 02:05:00','2024-12-31 02:14:00',310,0,'ok'),
(7,'fact_sales','2024-12-31 02:15:00',NULL,98,12,'failed'),(8,'fact_sales','2024-12-31 02:40:00','2024-12-31 02:46:00',98,2,'ok');
INSERT INTO stg_sales_raw VALUES
('pos_20241228.csv',1,'R5140','CB-100','549,00','Y'),('pos_20241229.csv',1,'R5141','HE-600','79','Y'),
('pos_20241229.csv',2,'R5141','??','-','N'),('pos_20241231.csv',1,'R5143','LI-900','59,00','N');
