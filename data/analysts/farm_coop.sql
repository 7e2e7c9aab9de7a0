CREATE TABLE members (member_no INTEGER PRIMARY KEY, farm_name TEXT, owner TEXT, village TEXT, joined INTEGER, left_yr INTEGER, organic CHAR(1), shares INTEGER, bank_iban TEXT, phone TEXT);
INSERT INTO members VALUES
(11,'Brambledown','Edith Marlowe','Great Tarrow',1988,NULL,'Y',40,'GB00COOP0011','01632 960011'),
(12,'Lower Hatch','Jim Pascoe','Little Tarrow',1994,NULL,'N',25,'GB00COOP0012','01632 960012'),
(13,'Ravenscar Fields','Agnes Thole','Sallowby',1991,2021,'N',18,NULL,NULL),
(14,'Windle End','Bob & Carys Hughes','Sallowby',2002,NULL,'N',32,'GB00COOP0014','01632 960014'),
(15,'Pennyroyal','Suresh Nair','Great Tarrow',2009,NULL,'Y',20,'GB00COOP0015','01632 960015'),
(16,'Old Kiln Farm','Martha Ellwood','Drayscombe',1985,NULL,'N',55,'GB00COOP0016','01632 960016'),
(17,'Starling Hill','Tom Wrey','Drayscombe',2011,NULL,'Y',15,'GB00COOP0017',NULL),
(18,'Mossback','Ivan Petrak','Fennel Cross',2015,NULL,'N',22,'GB00COOP0018','01632 960018'),
(19,'Three Gates','Olive Bantham','Fennel Cross',1999,2023,'N',28,'GB00COOP0019','01632 960019'),
(20,'Goosewater','Ruth Adeyemi','Little Tarrow',2017,NULL,'Y',12,'GB00COOP0020','01632 960020'),
(21,'Thornby Grange','Hugh Lassiter','Great Tarrow',1990,NULL,'N',61,'GB00COOP0021','01632 960021'),
(22,'Applegarth','Nell Corrigan','Sallowby',2019,NULL,'Y',10,'GB00COOP0022','01632 960022'),
(23,'Saltmarsh End','Piet de Boer','Fennel Cross',2006,NULL,'N',36,NULL,'01632 960023'),
(24,'Newcombe','Gwen Tull','Drayscombe',2024,NULL,'N',5,'GB00COOP0024','01632 960024');

CREATE TABLE crops (crop_cd TEXT, crop_name TEXT, crop_grp TEXT, dry_std_pct REAL);
INSERT INTO crops VALUES ('WW','Winter wheat','cereal',14.5),('SB','Spring barley','cereal',15),('OA','Oats','cereal',14),('OSR','Oilseed rape','oilseed',9),('PO','Potatoes','root',NULL),('SUB','Sugar beet','root',NULL),('FB','Field beans','pulse',15),('PE','Peas','pulse',14),('MZ','Maize','cereal',15.5),('LN','Linseed','oilseed',9),('RY','Rye','cereal',14.5);

CREATE TABLE fields (field_id INTEGER, member_no INTEGER, "Field Name" TEXT, area_ha REAL, soil TEXT, irrigated INTEGER, rented INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<74)
INSERT INTO fields SELECT 200+i, 11+((i*i*5+i*3)%43)%13, ('["Long","Church","Upper","Nether","Mill","Hare","Stony","Far","Chapel"]' ->> (i%9)) || ' ' || ('["Acre","Meadow","Piece","Furlong","Leys","Close","Bottom","Croft"]' ->> ((i*3+1)%8)) || CASE WHEN i>72 THEN ' II' ELSE '' END,
 round(1.8+((i*i*17+i*7)%211)*0.093,2), CASE WHEN (i*11)%37<4 THEN NULL ELSE '["clay","loam","sandy","silt","loam"]' ->> (((i*i+i*29)%47)%5) END, CASE WHEN (i*23)%41<13 THEN 1 ELSE 0 END, CASE WHEN (i*i*3+i)%29<9 THEN 1 ELSE 0 END FROM n;

-- harvests: one row per field and crop year; quantities in tonnes
CREATE TABLE harvests (field_id INTEGER, crop_yr INTEGER, crop_cd TEXT, yield_t REAL, moisture_pct REAL, quality TEXT, remark TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<70), y(y) AS (VALUES (2018),(2019),(2020),(2021),(2022),(2023),(2024)),
h AS (SELECT 200+i f, y, ((i*i*3+i*31+y*y*7+y*(i+5))%79)%19 c, (i*i*11+y*41*i+y*y)%173 r FROM n, y WHERE (i*7+y*13)%23>1)
INSERT INTO harvests SELECT f, y, '["WW","WW","SB","OSR","PO","SUB","FB","WW","OA","PE","SB","OSR","WW","PO","MZ","FB","WW","SUB","SB"]' ->> c,
 CASE WHEN r<6 THEN NULL ELSE round(area_ha*(CASE WHEN c IN (4,5,13,17) THEN 38+r*0.13 WHEN c IN (3,11,6,9,15) THEN 2.6+r*0.011 ELSE 5.1+r*0.027 END),1) END,
 CASE WHEN c IN (4,5,13,17) OR r<6 THEN NULL ELSE round(11.2+((r*r+f*13)%83)*0.1,1) END, CASE WHEN r<6 THEN NULL ELSE substr('AABBBC',1+(r*r+f)%6,1) END,
 CASE WHEN r<6 THEN 'crop failed' WHEN r>166 THEN 'hail damage' END FROM h JOIN fields ON fields.field_id=f;

-- deliveries to the co-op store: del_date YYYYMMDD, weights in kg
CREATE TABLE deliveries (ticket_no INTEGER, member_no INTEGER, crop_cd TEXT, del_date INTEGER, gross_kg INTEGER, tare_kg INTEGER, net_kg INTEGER, moist REAL, store TEXT, driver TEXT, rejected INTEGER, test_row INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1500),
d AS (SELECT i, (i*i*13+i*71+3)%1009 h, date('2020-01-01','+'||(((i*i*7+i*83+2)%61)%5*365+180+((i*i*3+i*19)%167))||' days') dt FROM n)
INSERT INTO deliveries SELECT 50000+i*3, CASE WHEN i%13=4 THEN 16 WHEN i%17=9 THEN 21 ELSE 11+((i*i*29+i*5+1)%101)%12 END, '["WW","SB","WW","OSR","PO","SUB","FB","OA","PE","WW","MZ","SB"]' ->> (h%12), CAST(strftime('%Y%m%d',dt) AS INTEGER),
 14000+(i*i*17+i*431)%13007, 6800+(i*i*3+i*59)%2503, 14000+(i*i*17+i*431)%13007-6800-(i*i*3+i*59)%2503, CASE WHEN h%12 IN (4,5) THEN NULL ELSE round(11.5+((i*i*7+i*37)%89)*0.09,1) END,
 '["Tarrow Silo","Drayscombe Barn","Tarrow Silo","Quay Store"]' ->> (((i*i+i*3)%67)%4), CASE WHEN (i*31)%61<5 THEN NULL ELSE '["Col","Big Dave","Ania","Mr Perks","Josie","Yusuf"]' ->> (((i*i*5+i*11)%71)%6) END,
 CASE WHEN (i*i*3+i*5)%113<6 THEN 1 ELSE 0 END, CASE WHEN (i*i+i*17)%211<3 THEN 1 ELSE 0 END FROM d;

-- price per tonne; valid_to NULL = still valid
CREATE TABLE prices (crop_cd TEXT, crop_yr INTEGER, grade TEXT, price_t REAL, bonus_org REAL, valid_from TEXT, valid_to TEXT);
WITH g(g,m) AS (VALUES ('A',1.0),('B',0.94),('C',0.82)), y(y,k) AS (VALUES (2019,0.86),(2020,0.91),(2021,1.07),(2022,1.46),(2023,1.12),(2024,1.04))
INSERT INTO prices SELECT crop_cd, y, g, round(k*m*(CASE crop_cd WHEN 'WW' THEN 182 WHEN 'SB' THEN 171 WHEN 'OA' THEN 164 WHEN 'OSR' THEN 402 WHEN 'PO' THEN 195 WHEN 'SUB' THEN 31 WHEN 'FB' THEN 224 WHEN 'PE' THEN 236 WHEN 'MZ' THEN 178 ELSE 455 END)+(y*unicode(crop_cd))%7,2), CASE WHEN crop_cd IN ('WW','OA','PO','FB') THEN round(18+(y*unicode(crop_cd))%23,1) END, y||'-07-01', CASE WHEN y<2024 THEN (y+1)||'-06-30' END
 FROM crops, y, g WHERE crop_cd<>'RY' AND NOT (crop_cd IN ('PO','SUB') AND g='C');

-- payouts to members, amounts in pence, dates DD.MM.YYYY
CREATE TABLE payouts (payout_no INTEGER, member_no INTEGER, crop_yr INTEGER, kind TEXT, amt_pence INTEGER, paid_on TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<260)
INSERT INTO payouts SELECT 9000+i, 11+((i*i*3+i*41+2)%59)%12, 2019+((i*i+i*7)%31)%5, '["ADV","FIN","ADV","BON"]' ->> (((i*i*7+i*3)%53)%4), 21000+(i*i*97+i*5407)%8009*113,
 CASE WHEN (i*37)%71<5 THEN NULL ELSE printf('%02d.%02d.%d',1+(i*11)%28,1+((i*i+i*13)%47)%12,2020+((i*i+i*7)%31)%5) END FROM n;
