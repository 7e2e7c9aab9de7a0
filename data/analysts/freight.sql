CREATE TABLE depots (
  depot_cd TEXT PRIMARY KEY,
  depot_name TEXT,
  country TEXT,
  bays INTEGER,
  manager TEXT,
  opened TEXT
);
CREATE TABLE customers (
  cust_no INTEGER PRIMARY KEY,
  cust_name TEXT,
  country TEXT,
  sector TEXT,
  key_acct INTEGER
);
CREATE TABLE vehicles (
  veh_id INTEGER PRIMARY KEY,
  plate TEXT,
  veh_type TEXT, -- V van, R rigid, A articulated
  payload_kg INTEGER,
  home_depot TEXT,
  bought TEXT,
  sold_off TEXT
);
CREATE TABLE vehicles_bak_2021 (
  veh_id INTEGER,
  plate TEXT,
  veh_type TEXT,
  payload_kg INTEGER,
  home_depot TEXT
);
CREATE TABLE ship_orders (
  order_no TEXT,
  cust_no INTEGER,
  orig_cd TEXT,
  dest_cd TEXT,
  ordered_at TEXT,
  promised_on TEXT,
  delivered_at TEXT, -- NULL = still under way
  pallets INTEGER,
  weight REAL,
  wt_unit TEXT, -- kg or t
  freight_cents INTEGER,
  prio TEXT, -- N normal, X express
  hazmat INTEGER
);
CREATE TABLE ship_orders_bak_2021 (
  order_no TEXT,
  cust_no INTEGER,
  orig_cd TEXT,
  dest_cd TEXT,
  ordered_at TEXT,
  delivered_at TEXT,
  pallets INTEGER,
  weight_kg REAL,
  freight_cents INTEGER
);
CREATE TABLE stg_ship_orders (
  order_no TEXT,
  cust_no TEXT,
  orig_cd TEXT,
  dest_cd TEXT,
  ordered_at TEXT,
  pallets TEXT,
  load_batch TEXT
);
CREATE TABLE legs (
  leg_id INTEGER PRIMARY KEY,
  order_no TEXT,
  seq INTEGER,
  veh_id INTEGER,
  from_cd TEXT,
  to_cd TEXT,
  dist REAL,
  dist_unit TEXT, -- km or mi
  departed_at TEXT,
  arrived_at TEXT,
  fuel_l REAL,
  toll_cents INTEGER
);
CREATE TABLE stg_legs (leg_id TEXT, order_no TEXT, seq TEXT, veh_id TEXT, dist TEXT, load_batch TEXT);
INSERT INTO depots VALUES ('HAM','Hamburg South','DE',24,'Jörn Petersen','2008-03-01'),('RTM','Rotterdam Europoort','NL',36,'Anouk de Wit','2005-09-15'),
('LYS','Lyon East','FR',18,'Benoît Marchand','2012-05-01'),('MIL','Milan Linate','IT',20,'Carla Vezzani','2014-11-01'),('POZ','Poznan Hub','PL',30,'Zofia Kmiec','2018-02-01'),
('BHX','Birmingham Tyburn','GB',16,'Leroy Hastings','2010-06-01'),('VLC','Valencia Port','ES',12,'Inma Soler','2021-04-01'),('AAR','Aarhus North','DK',8,NULL,'2025-03-01'),('PRG','Prague Cross-dock','CZ',10,'Milan Havel','2016-07-01'),('STR','Stuttgart Cross-dock','DE',14,'Heike Baum','2009-01-12'),('LIL','Lille Cross-dock','FR',9,NULL,'2019-10-01');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<64)
INSERT INTO customers SELECT 4000+i*3, ('["Nordlicht","Brackwater","Sanderling","Vallon","Tessera","Kopernik","Old Mill","Azahar","Greystone","Polder","Montclair","Sextant","Fennimore"]'->>(i*6%13))||' '||('["Foods","Timber","Chemicals","Ceramics","Textiles"]'->>(i*3%5)),
 '["DE","NL","FR","IT","PL","GB","DE","CH","ES","DE","FR"]'->>((i*5+i/8)%11), '["food","construction","chemicals","construction","retail"]'->>(i*3%5), CASE WHEN (i*17)%9<2 THEN 1 ELSE 0 END FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<58), v AS (SELECT i, '["A","R","A","V","R","A","V"]'->>((i*4+i/7)%7) t FROM n)
INSERT INTO vehicles SELECT i, ('["KX","TR","BL","FN"]'->>(i*3%4))||'-'||(1000+(i*7919)%8893), t,
 CASE t WHEN 'A' THEN 22000+250*((i*13)%17) WHEN 'R' THEN 8000+100*((i*7)%43) ELSE 900+25*((i*11)%23) END,
 '["HAM","RTM","LYS","MIL","POZ","BHX","VLC","POZ","RTM"]'->>((i*7+i/9)%9), date('2015-02-01','+'||((i*523+i*i*7)%3400)||' days'),
 CASE WHEN i%13=6 THEN date('2024-06-10','+'||((i*31)%300)||' days') END FROM v;
INSERT INTO vehicles_bak_2021 SELECT veh_id, plate, veh_type, payload_kg, CASE WHEN veh_id%5=0 THEN 'HAM' ELSE home_depot END FROM vehicles WHERE bought<'2021-12-31';
INSERT INTO vehicles_bak_2021 VALUES (91,'KX-1177','R',9500,'LYS'),(92,'BL-4410','V',1150,'HAM'),(93,'FN-3038','A',24500,'RTM');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1500),
o AS (SELECT i, datetime('2021-10-04 06:00','+'||((i*1171+i*i*3)%28300)||' hours','+'||((i*37)%60)||' minutes') d, (i*11+i/7)%7 a, (i*11+i/7+1+(i*5+i/13)%6)%7 b, 1+(i*i*3+i*19)%29 p FROM n)
INSERT INTO ship_orders SELECT printf('SO%06d',41000+i*3), 4003+3*((i*i*5+i*47+i/9)%61), '["HAM","RTM","LYS","MIL","POZ","BHX","VLC"]'->>a, '["HAM","RTM","LYS","MIL","POZ","BHX","VLC"]'->>b, substr(d,1,16),
 date(d,'+'||(3+(i*13)%4)||' days'), CASE WHEN d<'2024-11-20' AND i%211<>7 THEN substr(datetime(d,'+'||(30+(i*71+i*i)%113)||' hours'),1,16) END,
 p, CASE WHEN (i*43)%10<3 THEN round(p*(210+(i*59)%390)/1000.0,2) ELSE p*(210+(i*59)%390)+(i*3)%10 END, CASE WHEN (i*43)%10<3 THEN 't' ELSE 'kg' END,
 p*(2900+(i*101)%3700)+4500+(i*7)%97, CASE WHEN (i*29+i/3)%9<2 THEN 'X' ELSE 'N' END, CASE WHEN (i*31)%17=4 THEN 1 ELSE 0 END FROM o;
INSERT INTO ship_orders_bak_2021 SELECT order_no, cust_no, orig_cd, dest_cd, ordered_at, delivered_at, pallets, CASE wt_unit WHEN 't' THEN weight*1000 ELSE weight END, freight_cents FROM ship_orders WHERE ordered_at<'2022-01-01';
INSERT INTO ship_orders_bak_2021 SELECT printf('SO%06d',38000+rowid*7), cust_no, dest_cd, orig_cd, datetime(ordered_at,'-200 days'), datetime(ordered_at,'-197 days'), 1+pallets/2, 400+rowid%1900, freight_cents/2 FROM ship_orders WHERE rowid<150;
INSERT INTO stg_ship_orders SELECT order_no, CAST(cust_no AS TEXT), orig_cd, dest_cd, ordered_at, CAST(pallets AS TEXT), 'B2412' FROM ship_orders WHERE ordered_at>'2024-12-10';
INSERT INTO stg_ship_orders VALUES ('SO045801','4021','HAM','LYS','2024-12-30 08:10','4','B2501'),('SO045804','4060','POZ','RTM','2024-12-30 09:25','11','B2501'),('SO045807','9999','BHX','MIL','2024-12-31 10:02','x','B2501');
INSERT INTO legs SELECT row_number() OVER (ORDER BY ordered_at, s.rowid, q), order_no, q,
 1+(s.rowid*17+q*29+s.rowid*s.rowid+s.rowid/9*4)%55, CASE q WHEN 1 THEN orig_cd ELSE '["PRG","STR","LIL"]'->>((s.rowid*5+q)%3) END, CASE WHEN q=k THEN dest_cd ELSE '["PRG","STR","LIL"]'->>((s.rowid*5+q+1)%3) END,
 round(140+(s.rowid*83+q*311)%760+ (s.rowid%10)/10.0,1), CASE WHEN orig_cd='BHX' THEN 'mi' ELSE 'km' END,
 substr(datetime(ordered_at,'+'||(q*9-3+(s.rowid*7)%5)||' hours'),1,16), CASE WHEN q<k OR delivered_at IS NOT NULL THEN substr(datetime(ordered_at,'+'||(q*9+3+(s.rowid*11+q)%6)||' hours'),1,16) END,
 CASE WHEN (s.rowid*3+q)%19<>5 THEN round(30+(s.rowid*53+q*97)%170+(s.rowid%7)/7.0,1) END, CASE WHEN (s.rowid+q*3)%4=0 THEN 0 ELSE 600+10*((s.rowid*41+q*13)%611) END FROM (SELECT rowid, ship_orders.*, 1+(rowid*7+rowid/5)%3 k FROM ship_orders) s JOIN (SELECT 1 q UNION SELECT 2 UNION SELECT 3) ON q<=k WHERE ordered_at < '2024-12-22';
INSERT INTO stg_legs SELECT leg_id, order_no, seq, veh_id, dist, 'B2412' FROM legs WHERE departed_at>'2024-12-12';
