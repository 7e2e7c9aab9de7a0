CREATE TABLE d_day (day_key INTEGER PRIMARY KEY, day_date TEXT, y INTEGER, q INTEGER, m INTEGER, month_key INTEGER /* e.g. 202503 */, weekday TEXT, holiday_flag TEXT);
CREATE TABLE d_cust (cust_key INTEGER PRIMARY KEY, cust_no TEXT, cust_name TEXT, tier TEXT, city TEXT, country TEXT, email TEXT, joined_on TEXT, birth_date TEXT /* DD.MM.YYYY */, valid_from INTEGER, valid_to INTEGER, curr_flag TEXT);
CREATE TABLE d_item (item_key INTEGER PRIMARY KEY, item_code TEXT, item_name TEXT, brand TEXT, category TEXT, size_ml INTEGER, vegan_flag TEXT, list_price REAL, unit_cost REAL, launch_key INTEGER, valid_from INTEGER, valid_to INTEGER, curr_flag TEXT);
CREATE TABLE d_outlet (outlet_key INTEGER PRIMARY KEY, outlet_code TEXT, outlet_name TEXT, outlet_type TEXT, city TEXT, country TEXT, sqm INTEGER, open_key INTEGER, close_key INTEGER, head_name TEXT);
CREATE TABLE d_promo (promo_key INTEGER PRIMARY KEY, promo_name TEXT, mechanic TEXT, discount_pct INTEGER, from_key INTEGER, to_key INTEGER, budget REAL);
CREATE TABLE f_sale (receipt_no INTEGER, line_no INTEGER, day_key INTEGER REFERENCES d_day(day_key), sale_time TEXT, outlet_key INTEGER REFERENCES d_outlet(outlet_key), cust_key INTEGER REFERENCES d_cust(cust_key), item_key INTEGER REFERENCES d_item(item_key), promo_key INTEGER REFERENCES d_promo(promo_key), qty INTEGER, net_amt REAL, disc_amt REAL, pay_type TEXT, PRIMARY KEY (receipt_no, line_no));
CREATE TABLE f_return (return_no TEXT PRIMARY KEY, receipt_no INTEGER, item_key INTEGER REFERENCES d_item(item_key), outlet_key INTEGER REFERENCES d_outlet(outlet_key), day_key INTEGER REFERENCES d_day(day_key), refunded_on TEXT /* DD.MM.YYYY */, qty INTEGER, refund_amt REAL, reason TEXT, restock_flag TEXT);
CREATE TABLE f_goal (month_key INTEGER, outlet_key INTEGER REFERENCES d_outlet(outlet_key), goal_amt REAL, goal_receipts INTEGER, PRIMARY KEY (month_key, outlet_key));
CREATE TABLE f_inv (day_key INTEGER REFERENCES d_day(day_key), outlet_key INTEGER REFERENCES d_outlet(outlet_key), item_key INTEGER REFERENCES d_item(item_key), on_hand INTEGER, on_order INTEGER, min_level INTEGER, PRIMARY KEY (day_key, outlet_key, item_key));
INSERT INTO d_day WITH RECURSIVE d(x) AS (SELECT '2024-01-01' UNION ALL SELECT date(x, '+1 day') FROM d WHERE x < '2025-06-30') SELECT CAST(strftime('%Y%m%d', x) AS INTEGER), x, CAST(strftime('%Y', x) AS INTEGER), (CAST(strftime('%m', x) AS INTEGER) + 2) / 3, CAST(strftime('%m', x) AS INTEGER), CAST(strftime('%Y%m', x) AS INTEGER), substr('SunMonTueWedThuFriSat', 1 + 3 * CAST(strftime('%w', x) AS INTEGER), 3), CASE WHEN strftime('%m-%d', x) IN ('01-01', '05-01', '12-25', '12-26') THEN 'Y' ELSE 'N' END FROM d;
INSERT INTO d_cust VALUES
(-1,'-','Unknown',NULL,NULL,NULL,NULL,NULL,NULL,20230101,99991231,'Y'),
(1,'K2001','Amara Voss','silver','Brennau','Austria','amara.voss@mailo.test','2023-02-11','14.03.1988',20230211,20240930,'N'),
(2,'K2001','Amara Voss','gold','Brennau','Austria','amara.voss@mailo.test','2023-02-11','14.03.1988',20241001,99991231,'Y'),
(3,'K2002','Bettine Krall','gold','Selzach','Switzerland',NULL,'2023-03-02','02.11.1971',20230302,99991231,'Y'),
(4,'K2003','Corin Adler','basic','Velmark','Germany','c.adler@postbox.test','2023-05-19','27.07.1995',20230519,20250114,'N');
INSERT INTO d_cust VALUES
(5,'K2003','Corin Adler','silver','Selzach','Switzerland','c.adler@postbox.test','2023-05-19','27.07.1995',20250115,99991231,'Y'),
(6,'K2004','Delphine Marchal','gold','Lourmont','France','delphine@atelier.test','2023-06-30','09.09.1983',20230630,99991231,'Y'),
(7,'K2005','Edwige Marchal','basic','Lourmont','France',NULL,'2023-07-04',NULL,20230704,99991231,'Y'),
(8,'K2006','Fenja Roloff','basic','Velmark','Germany','fenja.r@postbox.test','2023-09-21','30.01.2001',20230921,20240614,'N'),
(9,'K2006','Fenja Roloff','silver','Velmark','Germany','fenja.r@postbox.test','2023-09-21','30.01.2001',20240615,99991231,'Y');
INSERT INTO d_cust VALUES
(10,'K2007','Greta Ismay','silver','Tornby','Denmark','gi@ismay.test','2023-11-08','18.12.1966',20231108,99991231,'Y'),
(11,'K2008','Hilde Aster','basic','Brennau','Austria','hilde.aster@mailo.test','2024-01-15','05.05.1990',20240115,20241119,'N'),
(12,'K2008','Hilde Aster','basic','Velmark','Germany','hilde.aster@mailo.test','2024-01-15','05.05.1990',20241120,99991231,'Y'),
(13,'K2009','Ilja Brandau','silver','Selzach','Switzerland',NULL,'2024-02-03','22.02.1979',20240203,99991231,'Y'),
(14,'K2010','Janne Holm','basic','Tornby','Denmark','janne.holm@fjord.test','2024-03-17','11.06.1998',20240317,99991231,'Y');
INSERT INTO d_cust VALUES
(15,'K2011','Kosmetik Lindt','gold','Velmark','Germany','einkauf@kosmetik-lindt.test','2024-04-09',NULL,20240409,99991231,'Y'),
(16,'K2012','Lucie Perrin','basic','Aubrac','France','lucie.perrin@atelier.test','2024-05-26','03.08.1985',20240526,20250228,'N'),
(17,'K2012','Lucie Perrin','silver','Lourmont','France','lucie@atelier.test','2024-05-26','03.08.1985',20250301,99991231,'Y'),
(18,'K2013','Marlo Quast','basic','Brennau','Austria',NULL,'2024-08-12','19.04.2003',20240812,99991231,'Y'),
(19,'K2014','Nives Tadic','silver','Zadnik','Croatia','nives.tadic@adria.test','2024-10-28','07.10.1992',20241028,99991231,'Y');
INSERT INTO d_cust VALUES
(20,'K2015','Orla Devane','basic','Tornby','Denmark','orla@devane.test','2025-01-06','25.12.1974',20250106,99991231,'Y'),
(21,'K2016','Pascal Rieux','basic','Aubrac','France',NULL,'2025-02-14','16.02.1989',20250214,99991231,'Y'),
(22,'K2017','Romy Aster','basic','Velmark','Germany','romy.aster@mailo.test','2025-04-02','01.01.1999',20250402,99991231,'Y');
INSERT INTO d_item VALUES
(-1,'-','Unknown',NULL,NULL,NULL,NULL,NULL,NULL,NULL,20190101,99991231,'Y'),
(1,'SK-110','Dew Serum','Lumiela','skin care',30,'Y',38.0,14.2,20210301,20210301,20241231,'N'),
(2,'SK-110','Dew Serum','Lumiela','skin care',30,'Y',42.0,15.1,20210301,20250101,99991231,'Y'),
(3,'SK-120','Dew Cream','Lumiela','skin care',50,'Y',29.5,9.8,20210301,20210301,99991231,'Y'),
(4,'SK-130','Night Balm','Oaksend','skin care',75,'N',33.0,11.0,20220515,20220515,20240630,'N');
INSERT INTO d_item VALUES
(5,'SK-130','Night Balm','Oaksend','skin care',75,'N',35.0,12.5,20220515,20240701,99991231,'Y'),
(6,'SK-140','Clay Mask','Oaksend','skin care',100,'Y',18.9,5.6,20230110,20230110,99991231,'Y'),
(7,'MK-210','Velvet Lip Coral','Rouge Nine','make-up',4,'N',21.0,4.4,20200801,20200801,20240831,'N'),
(8,'MK-210','Velvet Lip Coral','Rouge Nine','make-up',4,'N',23.0,4.9,20200801,20240901,99991231,'Y'),
(9,'MK-220','Velvet Lip Plum','Rouge Nine','make-up',4,'N',21.0,4.4,20200801,20200801,99991231,'Y');
INSERT INTO d_item VALUES
(10,'MK-230','Sky Mascara','Rouge Nine','make-up',9,'Y',26.5,7.3,20231120,20231120,99991231,'Y'),
(11,'MK-240','Silk Powder','Lumiela','make-up',NULL,'Y',31.0,10.9,20240312,20240312,99991231,'Y'),
(12,'FR-310','Neroli No. 5','Maison Ferr','fragrance',50,'N',89.0,31.0,20190401,20190401,20240331,'N'),
(13,'FR-310','Neroli No. 5','Maison Ferr','fragrance',50,'N',95.0,33.5,20190401,20240401,20250228,'N'),
(14,'FR-310','Neroli No. 5','Maison Ferr','fragrance',50,'N',99.0,36.0,20190401,20250301,99991231,'Y');
INSERT INTO d_item VALUES
(15,'FR-320','Cedar Smoke','Maison Ferr','fragrance',50,'Y',92.0,34.0,20241015,20241015,99991231,'Y'),
(16,'FR-330','Fig Water','Maison Ferr','fragrance',100,'Y',64.0,22.4,20220601,20220601,99991231,'Y'),
(17,'HR-410','Argan Shampoo','Oaksend','hair',250,'Y',14.5,4.1,20210915,20210915,99991231,'Y'),
(18,'HR-420','Argan Mask','Oaksend','hair',200,'Y',19.0,6.3,20210915,20210915,99991231,'Y'),
(19,'HR-430','Salt Spray','Driftline','hair',150,'Y',17.5,5.2,20250220,20250220,99991231,'Y');
INSERT INTO d_item VALUES
(20,'AC-510','Brush Set','Driftline','accessories',NULL,'N',44.0,19.5,20220101,20220101,99991231,'Y'),
(21,'AC-520','Travel Pouch','Driftline','accessories',NULL,'Y',25.0,NULL,20240501,20240501,99991231,'Y'),
(22,'AC-530','Hand Mirror','Driftline','accessories',NULL,'N',12.0,5.5,20230801,20230801,99991231,'Y');
INSERT INTO d_outlet VALUES
(-1,'-','Unknown',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(1,'BRE1','Brennau Markt','boutique','Brennau','Austria',140,20150320,NULL,'Sabine Kogler'),
(2,'SEL1','Selzach Bahnhof','boutique','Selzach','Switzerland',95,20180901,NULL,'Urs Amsler'),
(3,'VEL1','Velmark Passage','boutique','Velmark','Germany',210,20130611,NULL,'Tilda Brenner'),
(4,'VEL2','Velmark Galerie','counter','Velmark','Germany',32,20220214,20241231,'Tilda Brenner');
INSERT INTO d_outlet VALUES
(5,'LOU1','Lourmont Halles','counter','Lourmont','France',40,20190505,NULL,'Noel Garance'),
(6,'WEB1','Web store','web',NULL,NULL,NULL,20200115,NULL,'Kaja Thorsen'),
(7,'WEB2','App store','web',NULL,NULL,NULL,20240601,NULL,'Kaja Thorsen'),
(8,'TIM1','Timmen Kai','boutique','Timmen','Netherlands',120,20250601,NULL,NULL),
(9,'GRA1','Grassau Plaza','counter','Grassau','Austria',28,20210710,20240331,'Peer Lodt');
INSERT INTO d_promo VALUES
(0,'No promotion',NULL,0,NULL,NULL,NULL),
(1,'Winter Glow','percent',15,20240108,20240131,800.0),
(2,'Mothers Day 24','percent',10,20240506,20240512,500.0),
(3,'Summer Trio','bundle',20,20240701,20240731,950.0),
(4,'Black Friday 24','percent',25,20241125,20241201,2000.0);
INSERT INTO d_promo VALUES
(5,'Advent Box','bundle',12,20241201,20241224,700.0),
(6,'Winter Glow 25','percent',15,20250107,20250131,850.0),
(7,'Mothers Day 25','percent',10,20250505,20250511,550.0),
(8,'Gold Evening','loyalty',30,20250612,20250612,NULL);
INSERT INTO f_sale VALUES
(70013,1,20240103,'22:49',6,-1,7,0,2,42.0,0.0,'voucher'),
(70013,2,20240103,'22:49',6,-1,12,0,4,356.0,0.0,'voucher'),
(70017,1,20240110,'15:00',3,-1,4,1,1,28.05,4.95,'cash'),
(70019,1,20240119,'19:43',6,-1,20,1,4,149.6,26.4,'voucher'),
(70022,1,20240201,'19:01',3,4,12,0,1,89.0,0.0,'card');
INSERT INTO f_sale VALUES
(70022,2,20240201,'19:01',3,4,9,0,2,42.0,0.0,'card'),
(70022,3,20240201,'19:01',3,4,4,0,1,33.0,0.0,'card'),
(70023,1,20240212,'13:49',4,-1,16,0,1,64.0,0.0,'card'),
(70023,2,20240212,'13:49',4,-1,7,0,1,21.0,0.0,'card'),
(70025,1,20240212,'15:23',3,8,1,0,2,76.0,0.0,'cash');
INSERT INTO f_sale VALUES
(70025,2,20240212,'15:23',3,8,3,0,2,59.0,0.0,'cash'),
(70028,1,20240217,'01:40',6,13,1,0,2,76.0,0.0,'paypal'),
(70030,1,20240225,'17:46',1,8,1,0,1,38.0,0.0,'card'),
(70030,2,20240225,'17:46',1,8,12,0,3,267.0,0.0,'card'),
(70032,1,20240304,'10:43',3,-1,10,0,2,53.0,0.0,'voucher');
INSERT INTO f_sale VALUES
(70032,2,20240304,'10:43',3,-1,16,0,6,384.0,0.0,'voucher'),
(70033,1,20240304,'15:05',2,-1,12,0,3,267.0,0.0,'cash'),
(70033,2,20240304,'15:05',2,-1,16,0,2,128.0,0.0,'cash'),
(70033,3,20240304,'15:05',2,-1,6,0,2,37.8,0.0,'cash'),
(70037,1,20240317,'16:48',4,-1,3,0,1,29.5,0.0,'voucher');
INSERT INTO f_sale VALUES
(70037,2,20240317,'16:48',4,-1,6,0,2,37.8,0.0,'voucher'),
(70039,1,20240322,'16:28',1,-1,3,0,4,118.0,0.0,'cash'),
(70040,1,20240330,'12:24',3,-1,1,0,2,76.0,0.0,'cash'),
(70040,2,20240330,'12:24',3,-1,11,0,2,62.0,0.0,'cash'),
(70044,1,20240404,'04:46',6,-1,11,0,4,124.0,0.0,'card');
INSERT INTO f_sale VALUES
(70044,2,20240404,'04:46',6,-1,1,0,2,76.0,0.0,'card'),
(70048,1,20240413,'14:20',3,8,7,0,1,21.0,0.0,'voucher'),
(70052,1,20240421,'05:32',6,-1,16,0,1,64.0,0.0,'card'),
(70054,1,20240504,'17:31',1,15,4,0,4,132.0,0.0,'card'),
(70054,2,20240504,'17:31',1,15,7,0,6,126.0,0.0,'card');
INSERT INTO f_sale VALUES
(70054,3,20240504,'17:31',1,15,20,0,2,88.0,0.0,'card'),
(70058,1,20240512,'06:07',6,11,13,2,2,171.0,19.0,'voucher'),
(70058,2,20240512,'06:07',6,11,16,2,2,115.2,12.8,'voucher'),
(70062,1,20240512,'18:35',3,-1,9,2,1,18.9,2.1,'card'),
(70062,2,20240512,'18:35',3,-1,13,2,1,85.5,9.5,'card');
INSERT INTO f_sale VALUES
(70066,1,20240525,'14:18',3,-1,3,0,1,29.5,0.0,'card'),
(70066,2,20240525,'14:18',3,-1,10,0,1,26.5,0.0,'card'),
(70066,3,20240525,'14:18',3,-1,4,0,3,99.0,0.0,'card'),
(70070,1,20240607,'12:53',6,10,13,0,1,95.0,0.0,'card'),
(70073,1,20240618,'10:01',3,13,1,0,3,114.0,0.0,'voucher');
INSERT INTO f_sale VALUES
(70073,2,20240618,'10:01',3,13,10,0,1,26.5,0.0,'voucher'),
(70077,1,20240626,'11:12',3,6,9,0,2,42.0,0.0,'voucher'),
(70077,2,20240626,'11:12',3,6,13,0,2,190.0,0.0,'voucher'),
(70080,1,20240703,'12:39',1,3,17,3,1,11.6,2.9,'card'),
(70080,2,20240703,'12:39',1,3,18,3,1,15.2,3.8,'card');
INSERT INTO f_sale VALUES
(70081,1,20240703,'05:58',6,9,13,3,1,76.0,19.0,'voucher'),
(70084,1,20240716,'01:54',7,6,20,3,1,35.2,8.8,'voucher'),
(70084,2,20240716,'01:54',7,6,9,3,3,50.4,12.6,'voucher'),
(70085,1,20240723,'16:56',3,9,1,3,2,60.8,15.2,'card'),
(70089,1,20240728,'09:36',6,4,1,3,1,30.4,7.6,'card');
INSERT INTO f_sale VALUES
(70089,2,20240728,'09:36',6,4,5,3,1,28.0,7.0,'card'),
(70091,1,20240808,'11:53',2,10,20,0,1,44.0,0.0,'voucher'),
(70091,2,20240808,'11:53',2,10,10,0,1,26.5,0.0,'voucher'),
(70094,1,20240819,'09:14',-1,15,17,0,2,29.0,0.0,'voucher'),
(70096,1,20240827,'17:47',-1,10,13,0,3,285.0,0.0,'cash');
INSERT INTO f_sale VALUES
(70096,2,20240827,'17:47',-1,10,16,0,2,128.0,0.0,'cash'),
(70100,1,20240903,'19:19',3,9,5,0,1,35.0,0.0,'voucher'),
(70100,2,20240903,'19:19',3,9,1,0,2,76.0,0.0,'voucher'),
(70103,1,20240912,'11:43',2,13,10,0,2,53.0,0.0,'cash'),
(70103,2,20240912,'11:43',2,13,3,0,2,59.0,0.0,'cash');
INSERT INTO f_sale VALUES
(70104,1,20240923,'13:04',5,15,1,0,2,76.0,0.0,'voucher'),
(70104,2,20240923,'13:04',5,15,8,0,6,138.0,0.0,'voucher'),
(70105,1,20240928,'15:37',1,-1,8,0,1,23.0,0.0,'voucher'),
(70107,1,20241005,'10:53',3,13,8,0,3,69.0,0.0,'cash'),
(70109,1,20241005,'16:47',7,-1,17,0,2,29.0,0.0,'card');
INSERT INTO f_sale VALUES
(70112,1,20241013,'11:35',6,9,16,0,1,64.0,0.0,'card'),
(70112,2,20241013,'11:35',6,9,17,0,1,14.5,0.0,'card'),
(70113,1,20241018,'17:59',5,-1,10,0,1,26.5,0.0,'card'),
(70113,2,20241018,'17:59',5,-1,6,0,1,18.9,0.0,'card'),
(70117,1,20241025,'10:25',3,-1,8,0,2,46.0,0.0,'cash');
INSERT INTO f_sale VALUES
(70117,2,20241025,'10:25',3,-1,16,0,1,64.0,0.0,'cash'),
(70121,1,20241101,'10:35',1,2,17,0,3,43.5,0.0,'card'),
(70121,2,20241101,'10:35',1,2,18,0,2,38.0,0.0,'card'),
(70125,1,20241101,'15:03',6,10,8,0,2,46.0,0.0,'paypal'),
(70125,2,20241101,'15:03',6,10,5,0,1,35.0,0.0,'paypal');
INSERT INTO f_sale VALUES
(70129,1,20241106,'19:23',3,-1,11,0,6,186.0,0.0,'cash'),
(70133,1,20241106,'16:21',3,16,1,0,1,38.0,0.0,'card'),
(70135,1,20241119,'15:17',1,9,9,0,1,21.0,0.0,'card'),
(70135,2,20241119,'15:17',1,9,10,0,2,53.0,0.0,'card'),
(70139,1,20241119,'14:48',2,4,13,0,1,95.0,0.0,'card');
INSERT INTO f_sale VALUES
(70139,2,20241119,'14:48',2,4,11,0,3,93.0,0.0,'card'),
(70142,1,20241124,'10:32',2,6,16,0,1,64.0,0.0,'cash'),
(70142,2,20241124,'10:32',2,6,11,0,1,31.0,0.0,'cash'),
(70142,3,20241124,'10:32',2,6,17,0,2,29.0,0.0,'cash'),
(70145,1,20241129,'09:43',6,-1,13,4,1,71.25,23.75,'card');
INSERT INTO f_sale VALUES
(70148,1,20241206,'11:53',2,9,1,5,3,100.32,13.68,'cash'),
(70150,1,20241211,'09:00',6,3,21,5,1,22.0,3.0,'voucher'),
(70150,2,20241211,'09:00',6,3,8,5,2,40.48,5.52,'voucher'),
(70150,3,20241211,'09:00',6,3,9,5,3,55.44,7.56,'voucher'),
(70152,1,20241218,'21:30',6,2,1,5,1,33.44,4.56,'voucher');
INSERT INTO f_sale VALUES
(70152,2,20241218,'21:30',6,2,17,5,2,25.52,3.48,'voucher'),
(70156,1,20241227,'01:38',7,6,18,0,1,19.0,0.0,'card'),
(70160,1,20250101,'06:36',6,-1,21,0,1,25.0,0.0,'voucher'),
(70160,2,20250101,'06:36',6,-1,13,0,2,190.0,0.0,'voucher'),
(70164,1,20250109,'21:02',7,13,5,6,2,59.5,10.5,'card');
INSERT INTO f_sale VALUES
(70164,2,20250109,'21:02',7,13,20,6,1,37.4,6.6,'card'),
(70168,1,20250118,'15:37',3,6,11,6,1,26.35,4.65,'cash'),
(70168,2,20250118,'15:37',3,6,8,6,2,39.1,6.9,'cash'),
(70169,1,20250127,'17:48',6,15,2,6,2,71.4,12.6,'paypal'),
(70169,2,20250127,'17:48',6,15,8,6,4,78.2,13.8,'paypal');
INSERT INTO f_sale VALUES
(70171,1,20250207,'15:23',3,5,8,0,1,23.0,0.0,'card'),
(70171,2,20250207,'15:23',3,5,16,0,1,64.0,0.0,'card'),
(70173,1,20250214,'13:26',2,6,16,0,2,128.0,0.0,'cash'),
(70173,2,20250214,'13:26',2,6,11,0,3,93.0,0.0,'cash'),
(70173,3,20250214,'13:26',2,6,17,0,1,14.5,0.0,'cash');
INSERT INTO f_sale VALUES
(70175,1,20250214,'02:07',6,12,8,0,1,23.0,0.0,'card'),
(70175,2,20250214,'02:07',6,12,2,0,2,84.0,0.0,'card'),
(70176,1,20250225,'12:46',1,16,8,0,2,46.0,0.0,'cash'),
(70176,2,20250225,'12:46',1,16,15,0,2,184.0,0.0,'cash'),
(70178,1,20250302,'15:21',1,-1,16,0,1,64.0,0.0,'voucher');
INSERT INTO f_sale VALUES
(70178,2,20250302,'15:21',1,-1,8,0,1,23.0,0.0,'voucher'),
(70180,1,20250309,'10:48',1,15,16,0,2,128.0,0.0,'cash'),
(70183,1,20250309,'19:34',5,9,10,0,1,26.5,0.0,'cash'),
(70187,1,20250314,'14:10',2,13,14,0,1,99.0,0.0,'cash'),
(70187,2,20250314,'14:10',2,13,16,0,1,64.0,0.0,'cash');
INSERT INTO f_sale VALUES
(70187,3,20250314,'14:10',2,13,15,0,2,184.0,0.0,'cash'),
(70189,1,20250327,'13:09',1,3,8,0,1,23.0,0.0,'card'),
(70189,2,20250327,'13:09',1,3,2,0,1,42.0,0.0,'card'),
(70190,1,20250403,'16:35',1,-1,8,0,1,23.0,0.0,'voucher'),
(70190,2,20250403,'16:35',1,-1,5,0,2,70.0,0.0,'voucher');
INSERT INTO f_sale VALUES
(70194,1,20250410,'10:21',6,5,18,0,2,38.0,0.0,'paypal'),
(70194,2,20250410,'10:21',6,5,2,0,2,84.0,0.0,'paypal'),
(70197,1,20250417,'12:18',7,9,3,0,1,29.5,0.0,'voucher'),
(70198,1,20250425,'14:26',1,-1,16,0,2,128.0,0.0,'voucher'),
(70198,2,20250425,'14:26',1,-1,17,0,2,29.0,0.0,'voucher');
INSERT INTO f_sale VALUES
(70198,3,20250425,'14:26',1,-1,11,0,2,62.0,0.0,'voucher'),
(70201,1,20250430,'10:13',5,13,11,0,1,31.0,0.0,'card'),
(70202,1,20250430,'18:14',1,20,2,0,1,42.0,0.0,'card'),
(70206,1,20250508,'17:19',1,5,15,7,1,82.8,9.2,'cash'),
(70207,1,20250519,'19:17',3,15,18,0,6,114.0,0.0,'card');
INSERT INTO f_sale VALUES
(70207,2,20250519,'19:17',3,15,6,0,6,113.4,0.0,'card'),
(70210,1,20250519,'15:07',3,-1,10,0,1,26.5,0.0,'cash'),
(70210,2,20250519,'15:07',3,-1,8,0,2,46.0,0.0,'cash'),
(70211,1,20250530,'15:04',1,10,11,0,2,62.0,0.0,'card'),
(70213,1,20250607,'19:12',5,10,11,0,2,62.0,0.0,'cash');
INSERT INTO f_sale VALUES
(70216,1,20250614,'15:52',2,9,20,0,1,44.0,0.0,'voucher'),
(70216,2,20250614,'15:52',2,9,17,0,1,14.5,0.0,'voucher'),
(70217,1,20250622,'14:31',1,3,11,0,1,31.0,0.0,'card'),
(70218,1,20250622,'14:36',3,-1,8,0,1,23.0,0.0,'cash');
INSERT INTO f_return VALUES
('R001',70023,16,4,20240215,'24.02.2024',1,64.0,'damaged','N'),
('R002',70033,6,1,20240327,'10.04.2024',1,18.9,'damaged','N'),
('R003',70054,20,1,20240528,NULL,1,44.0,'changed mind','Y'),
('R004',70100,1,1,20240912,'15.09.2024',1,38.0,'damaged','N'),
('R005',70103,3,2,20241006,NULL,1,29.5,'wrong shade','N');
INSERT INTO f_return VALUES
('R006',70112,17,6,20241028,NULL,1,14.5,'wrong shade','Y'),
('R007',70142,17,2,20241204,'13.12.2024',1,14.5,'allergy','N'),
('R008',70145,13,6,20241218,'23.12.2024',1,71.25,'changed mind','N'),
('R009',70156,18,7,20250120,'23.01.2025',1,19.0,NULL,'N'),
('R010',70164,20,7,20250114,'19.01.2025',1,37.4,'changed mind','Y');
INSERT INTO f_return VALUES
('R011',70168,8,3,20250130,'08.02.2025',1,19.55,'damaged','N'),
('R012',70173,11,2,20250309,'14.03.2025',2,62.0,'wrong shade','Y'),
('R013',70187,15,2,20250320,'23.03.2025',1,92.0,'allergy','N'),
('R014',70194,2,6,20250423,'02.05.2025',2,84.0,'allergy','N'),
('R015',70197,3,7,20250429,'08.05.2025',1,29.5,'damaged','N');
INSERT INTO f_return VALUES
('R016',70198,16,1,20250508,NULL,2,128.0,'wrong shade','N'),
('R017',70216,17,1,20250623,'07.07.2025',1,14.5,'allergy','N'),
('R018',69001,4,3,20240109,'10.01.2024',1,33.0,'changed mind','Y'),
('R019',69004,12,6,20240105,NULL,1,89.0,'damaged','N');
INSERT INTO f_goal VALUES
(202501,1,235.0,2),
(202501,2,120.0,1),
(202501,3,315.0,2),
(202501,5,125.0,2),
(202501,6,320.0,1);
INSERT INTO f_goal VALUES
(202501,7,50.0,1),
(202502,1,160.0,1),
(202502,2,120.0,2),
(202502,3,275.0,2),
(202502,5,125.0,2);
INSERT INTO f_goal VALUES
(202502,6,320.0,1),
(202502,7,145.0,2),
(202503,1,140.0,2),
(202503,2,80.0,1),
(202503,3,275.0,2);
INSERT INTO f_goal VALUES
(202503,5,90.0,2),
(202503,6,300.0,1),
(202503,7,50.0,1),
(202504,1,235.0,2),
(202504,2,175.0,2);
INSERT INTO f_goal VALUES
(202504,3,260.0,2),
(202504,5,165.0,2),
(202504,6,280.0,3),
(202504,7,105.0,2),
(202505,1,180.0,3);
INSERT INTO f_goal VALUES
(202505,2,80.0,1),
(202505,3,275.0,1),
(202505,5,165.0,2),
(202505,6,375.0,3),
(202505,7,90.0,1);
INSERT INTO f_goal VALUES
(202506,1,160.0,1),
(202506,2,135.0,2),
(202506,3,315.0,2),
(202506,6,375.0,1),
(202506,7,70.0,2);
INSERT INTO f_inv VALUES
(20250331,1,2,5,0,2),
(20250331,1,8,2,0,4),
(20250331,1,14,11,5,6),
(20250331,1,17,8,0,2),
(20250331,3,2,6,0,3);
INSERT INTO f_inv VALUES
(20250331,3,5,6,0,6),
(20250331,3,8,3,0,3),
(20250331,3,14,0,5,5),
(20250331,3,20,5,0,5),
(20250331,6,2,3,0,2);
INSERT INTO f_inv VALUES
(20250331,6,3,11,12,6),
(20250331,6,10,11,0,2),
(20250331,6,15,9,0,2),
(20250331,6,21,6,0,6),
(20250331,6,22,5,0,5);
INSERT INTO f_inv VALUES
(20250331,2,14,1,0,5),
(20250331,2,18,5,0,4),
(20250430,1,2,4,10,2),
(20250430,1,8,0,5,3),
(20250430,1,14,17,0,3);
INSERT INTO f_inv VALUES
(20250430,1,17,0,10,3),
(20250430,3,2,6,10,4),
(20250430,3,5,5,5,5),
(20250430,3,8,23,0,4),
(20250430,3,14,9,0,2);
INSERT INTO f_inv VALUES
(20250430,3,20,0,0,6),
(20250430,6,2,23,0,5),
(20250430,6,3,14,0,5),
(20250430,6,10,3,10,2),
(20250430,6,15,5,0,3);
INSERT INTO f_inv VALUES
(20250430,6,21,11,0,5),
(20250430,6,22,0,0,4),
(20250430,2,14,9,5,2),
(20250430,2,18,1,0,5),
(20250531,1,2,17,0,2);
INSERT INTO f_inv VALUES
(20250531,1,8,5,12,5),
(20250531,1,14,4,10,5),
(20250531,1,17,0,12,2),
(20250531,3,2,6,12,4),
(20250531,3,5,17,0,6);
INSERT INTO f_inv VALUES
(20250531,3,8,17,0,4),
(20250531,3,14,14,12,5),
(20250531,3,20,9,0,2),
(20250531,6,2,0,5,5),
(20250531,6,3,0,0,5);
INSERT INTO f_inv VALUES
(20250531,6,10,9,5,2),
(20250531,6,15,0,0,3),
(20250531,6,21,0,12,2),
(20250531,6,22,1,10,6),
(20250531,2,14,2,12,2);
INSERT INTO f_inv VALUES
(20250531,2,18,11,0,2),
(20250630,1,2,9,12,5),
(20250630,1,8,11,0,2),
(20250630,1,14,11,0,6),
(20250630,1,17,14,10,5);
INSERT INTO f_inv VALUES
(20250630,3,2,17,0,2),
(20250630,3,5,5,0,6),
(20250630,3,8,8,12,6),
(20250630,3,14,23,0,3),
(20250630,3,20,8,5,2);
INSERT INTO f_inv VALUES
(20250630,6,2,6,5,2),
(20250630,6,3,0,0,3),
(20250630,6,10,17,12,3),
(20250630,6,15,8,12,2),
(20250630,6,21,0,0,3);
INSERT INTO f_inv VALUES
(20250630,6,22,23,0,2),
(20250630,2,14,0,0,2),
(20250630,2,18,8,12,3);
