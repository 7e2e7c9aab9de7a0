CREATE TABLE negotiators (
  neg_code TEXT, -- initials
  neg_name TEXT,
  branch TEXT,
  started TEXT,
  left_on TEXT -- NULL = still with us
);
CREATE TABLE owners (
  owner_no INTEGER,
  full_name TEXT,
  email TEXT,
  phone TEXT,
  is_company INTEGER
);
CREATE TABLE applicants (
  appl_id INTEGER,
  appl_name TEXT,
  max_budget INTEGER,
  cash_yn TEXT,
  source_cd TEXT, -- WEB, REF, WLK (walk-in), BRD (for-sale board)
  registered TEXT
);
CREATE TABLE properties (
  prop_ref TEXT,
  addr TEXT,
  town TEXT,
  ptype TEXT, -- D detached, S semi, T terrace, F flat, B bungalow
  beds INTEGER,
  sqm INTEGER,
  asking INTEGER,
  garden TEXT, -- Y/N
  epc TEXT,
  status TEXT, -- AV available, UO under offer, SD sold, WD withdrawn
  listed_on TEXT,
  owner_no INTEGER,
  neg_code TEXT
);
CREATE TABLE viewings (
  view_id INTEGER,
  prop_ref TEXT,
  appl_id INTEGER,
  neg_code TEXT,
  view_dt TEXT, -- DD/MM/YYYY
  outcome TEXT, -- ATT attended, NOS no show, CAN cancelled
  rating INTEGER
);
CREATE TABLE offers (
  offer_id INTEGER,
  prop_ref TEXT,
  appl_id INTEGER,
  amt INTEGER,
  made_on TEXT,
  result TEXT -- ACC accepted, REJ rejected, WDN withdrawn by buyer, NULL pending
);
CREATE TABLE sales (
  sale_id INTEGER,
  prop_ref TEXT,
  buyer_id INTEGER,
  price INTEGER,
  fee_pct REAL,
  exchanged TEXT,
  completed TEXT -- NULL = not completed yet
);
INSERT INTO negotiators VALUES
('JHW','Joanna Whitlock','Harrowby','2016-04-11',NULL),('PDE','Piers Denholm','Harrowby','2019-09-02',NULL),
('SOK','Sanjit Okafor','Port Allen','2018-01-15',NULL),('MRT','Mireille Tabor','Port Allen','2020-06-22','2023-03-31'),
('LBC','Lewis Bancroft','Dunmere','2021-02-01',NULL),('AGF','Agnes Fairlie','Dunmere','2015-10-05','2022-08-19'),
('TVN','Tess Vaughan-Nye','Kelsworth','2022-05-16',NULL),('RKQ','Ravi Kilquist','Harrowby','2024-09-09',NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<140)
INSERT INTO owners SELECT 500+i,
 CASE WHEN i%23=4 THEN ('["Blackthorn","Tideway","Corran","Osprey Quay","Nine Elms","Larkfield","Stonebow"]'->>(i/23)) || ' Lettings Ltd'
 ELSE ('["Martin","Olive","Gareth","Priya","Hester","Duncan","Ewa","Colin","Ffion","Bashir","Nora","Silas","Judith"]'->>(i*5%13)) || ' ' || ('["Ashdown","Penrose","Lockhart","Mbeki","Tranter","Hollis","Quigley","Szabo","Yardley","Crane","Dalgleish"]'->>(i*3%11)) END,
 CASE WHEN (i*37)%11<8 THEN 'owner'||(500+i)||'@'||('["fmail.test","postbox.test","homenet.test"]'->>(i*7%3)) END,
 CASE WHEN (i*53)%9<7 THEN '07700 9'||printf('%05d',(i*7919)%99991) END,
 CASE WHEN i%23=4 THEN 1 ELSE 0 END FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<260)
INSERT INTO applicants SELECT i,
 ('["Amelia","Brendan","Chiara","Dev","Elspeth","Femi","Grace","Hugo","Ines","Jakub","Kerry","Lorcan","Maya","Nikhil","Orla","Piotr","Rosa"]'->>(i*11%17)) || ' ' || ('["Winslow","Adeyemi","Barker","Costa","Drummond","Eastwood","Finch","Gupta","Hartigan","Ivory","Jessop","Kaur","Lund","Moffat","Nowak","Oakes"]'->>(i*7%16)),
 150000+5000*((i*7919+i*i*3)%131), CASE WHEN (i*41+i/7)%10<3 THEN 'Y' ELSE 'N' END,
 '["WEB","WEB","WEB","REF","REF","WLK","BRD"]'->>((i*29+i/5)%7),
 date('2020-11-02','+'||((i*887+i*i)%1500)||' days') FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<240)
INSERT INTO properties SELECT ('["HB","PA","DM","KW","HB","LS","PA"]'->>((i*17+i/7)%7))||(1000+i*7),
 (1+i*31%121)||' '||('["Mill Lane","Station Road","Priory Close","Beacon Hill","Saltmarsh Way","Orchard Street","The Crescent","Church Walk","Quay Road","Fern Grove","Albert Terrace","Nelson Street"]'->>(i*5%12)),
 '["Harrowby","Port Allen","Dunmere","Kelsworth","Harrowby","Little Staunton","Port Allen"]'->>((i*17+i/7)%7),
 '["D","S","T","F","S","T","F","B","D","F"]'->>((i*13+i/10)%10), 1+(i*19+i/6)%5, 38+(i*i*7+i*29)%163,
 1000*(118+(i*331+i*i*5)%463)+ CASE WHEN i%3=0 THEN 950 WHEN i%7=1 THEN 500 ELSE 0 END,
 CASE WHEN (i*23+i/9)%13<8 THEN 'Y' ELSE 'N' END,
 CASE WHEN (i*43)%17<14 THEN '["B","C","D","E","C","D","F"]'->>((i*11+i/4)%7) END,
 '["SD","SD","AV","SD","UO","WD","SD","AV","SD"]'->>((i*7+i/9)%9),
 date('2021-01-11','+'||((i*521+i*i*2)%1390)||' days'),
 CASE WHEN i%41=17 THEN NULL ELSE 501+(i*67+i*i)%128 END,
 '["JHW","PDE","SOK","MRT","LBC","AGF","TVN","JHW","LBC","SOK"]'->>((i*3+i/10+i/31)%10) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1100)
INSERT INTO viewings SELECT 20000+i, prop_ref, 1+(i*113+i*i*3)%239,
 CASE WHEN i%4=0 THEN '["JHW","SOK","LBC","TVN","PDE"]'->>((i/4*3+i/20)%5) ELSE neg_code END,
 strftime('%d/%m/%Y', date(listed_on,'+'||(3+(i*71+i/13)%97)||' days')),
 CASE WHEN (i*37+i/11)%20<15 THEN 'ATT' WHEN (i*37+i/11)%20<18 THEN 'NOS' ELSE 'CAN' END,
 CASE WHEN (i*37+i/11)%20<15 AND (i*59)%8<6 THEN 1+(i*47+i/9)%5 END
 FROM n JOIN properties ON properties.rowid = 1+(i*i*11+i*139+i/6*5)%(CASE WHEN i%8=0 THEN 41 ELSE 229 END);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<420)
INSERT INTO offers SELECT 7000+i, prop_ref, 1+(i*89+i*i)%251, CAST(asking*(86+(i*31+i/5)%13)/100000 AS INTEGER)*1000+((i*17)%4)*250,
 date(listed_on,'+'||(20+(i*61+i/7)%120)||' days'),
 CASE WHEN (i*29+i/6)%10<6 THEN 'REJ' WHEN (i*29+i/6)%10<8 THEN 'WDN' END
 FROM n JOIN properties ON properties.rowid = 1+(i*i*7+i*53)%223;
INSERT INTO offers SELECT 7500+rowid, prop_ref, 1+(rowid*97+rowid*rowid)%251, (asking*(93+(rowid*13)%11)/100)/500*500, date(listed_on,'+'||(30+(rowid*61)%140)||' days'), 'ACC'
 FROM properties WHERE status IN ('SD','UO');
INSERT INTO sales SELECT 300+row_number() OVER (ORDER BY made_on, offer_id), offers.prop_ref, appl_id, amt, '[1.25,1.5,1.1,1.75,1.5]'->>(offer_id%5),
 date(made_on,'+'||(45+offer_id*7%60)||' days'), CASE WHEN made_on<'2024-09-01' OR offer_id%4=0 THEN date(made_on,'+'||(60+offer_id*7%60+offer_id%25)||' days') END
 FROM offers JOIN properties ON properties.prop_ref=offers.prop_ref WHERE result='ACC' AND status='SD';
