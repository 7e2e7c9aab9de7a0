CREATE TABLE hotels (
  hotel_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  city TEXT,
  country TEXT,
  stars INTEGER,
  opened_on TEXT,
  has_spa INTEGER DEFAULT 0,
  general_manager TEXT
);
CREATE TABLE rooms (
  room_id INTEGER PRIMARY KEY,
  hotel_id INTEGER NOT NULL REFERENCES hotels(hotel_id),
  room_no TEXT,
  room_type TEXT,            -- SGL, DBL, FAM, STE
  floor INTEGER,
  max_guests INTEGER,
  out_of_service INTEGER,
  last_renovated TEXT
);
CREATE TABLE guests (
  guest_id INTEGER PRIMARY KEY,
  first_name TEXT,
  last_name TEXT,
  email TEXT,
  country TEXT,
  birth_date TEXT,
  loyalty_tier TEXT,
  member_since TEXT
);
CREATE TABLE rates (
  rate_code TEXT PRIMARY KEY,
  rate_name TEXT,
  refundable INTEGER,
  breakfast_included INTEGER,
  discount_pct REAL
);
CREATE TABLE bookings (
  booking_no INTEGER,
  night_no INTEGER,
  stay_date TEXT,
  room_id INTEGER REFERENCES rooms(room_id),
  guest_id INTEGER REFERENCES guests(guest_id),
  rate_code TEXT REFERENCES rates(rate_code),
  price REAL,
  adults INTEGER,
  children INTEGER,
  channel TEXT,              -- WEB, OTA, TEL, CRP, WLK
  status TEXT,
  booked_on TEXT,
  special_request TEXT,
  PRIMARY KEY (booking_no, night_no)
);
CREATE TABLE reviews (
  review_id INTEGER PRIMARY KEY,
  hotel_id INTEGER REFERENCES hotels(hotel_id),
  guest_id INTEGER REFERENCES guests(guest_id),
  review_date TEXT,
  score INTEGER,
  comment TEXT,
  replied_on TEXT
);
INSERT INTO hotels VALUES
(1,'Casa Miradouro','Lisbon','Portugal',4,'2009-05-14',0,'Inês Valadão'),
(2,'Grand Aurelia','Vienna','Austria',5,'1998-03-01',1,'Lukas Brandtner'),
(3,'Harbour Light','Rotterdam','Netherlands',3,'2014-09-20',0,'Femke Oosterling'),
(4,'Villa Solano','Seville','Spain',4,'2011-04-02',1,'Rocío Cabello'),
(5,'Nordvik Inn','Bergen','Norway',3,'2016-06-11',0,NULL),
(6,'The Pemberton','Edinburgh','United Kingdom',5,'2003-10-08',1,'Alasdair Munro'),
(7,'Alpenrose Lodge','Innsbruck','Austria',4,'2007-12-15',1,'Theresa Kofler'),
(8,'Ria Formosa Rooms','Faro','Portugal',3,'2018-07-01',0,'Duarte Seixas'),
(9,'Kastel Adria','Split','Croatia',4,'2013-05-30',1,'Marin Jukić'),
(10,'Plaza Mondego','Coimbra','Portugal',3,'2019-02-17',0,NULL),
(11,'Lindenhof','Leipzig','Germany',4,'2005-08-22',0,'Anke Wiedemann'),
(12,'Saltmarsh House','Galway','Ireland',4,'2025-06-01',1,'Niamh Tierney');
INSERT INTO rates VALUES
('BAR','Best Available',1,0,0),('BBR','Bed & Breakfast',1,1,0),('ADV','Advance Purchase',0,0,15),
('COR','Corporate',1,1,12),('LOY','Member Rate',1,1,10),('GRP','Group',0,1,20),('SEN','Senior Saver',1,0,18);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<99)
INSERT INTO rooms SELECT i, (i-1)/9+1, ((i-1)%9/3+1)||'0'||((i-1)%3+1),
 CASE WHEN (i*80169%52009)%11<2 THEN 'SGL' WHEN (i*80169%52009)%11<7 THEN 'DBL' WHEN (i*80169%52009)%11<9 THEN 'FAM' ELSE 'STE' END,
 (i-1)%9/3+1, CASE WHEN (i*80169%52009)%11<2 THEN 1 WHEN (i*80169%52009)%11<7 THEN 2 WHEN (i*80169%52009)%11<9 THEN 5 ELSE 4 END,
 (i*29+3)%17=4, CASE WHEN (i*31)%5<3 THEN DATE('2015-02-01','+'||((i*79937%45007)%3300)||' days') END FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<170)
INSERT INTO guests SELECT i,
 json_extract('["Marta","Jonas","Aoife","Pieter","Lucía","Henrik","Yuki","Carla","Owen","Zsófia","Tomás","Greta","Samir","Elodie","Viktor","Nadia","Bruno","Ingrid","Kofi","Helena"]','$['||((i*7)%20)||']'),
 json_extract('["Almeida","Bergström","Castell","Dufour","Eriksen","Ferrante","Gallagher","Hofer","Ibáñez","Jansen","Kowalska","Lindqvist","Moreau","Nakata","Okoye","Petrov","Quintela","Rossi","Schäfer","Tavares","Unger","Vidal","Whitlock"]','$['||((i*5)%23)||']'),
 CASE WHEN (i*11)%9>1 THEN 'guest'||(3000+i)||'@'||json_extract('["mailbox.example","post.example","inbox.test"]','$['||(i*5%3)||']') END,
 json_extract('["Germany","Portugal","United Kingdom","France","Spain","Netherlands","Norway","Italy","Ireland","Japan","Austria"]','$['||((i*48493%28657)%11)||']'),
 CASE WHEN (i*17)%7>0 THEN DATE('1948-01-20','+'||((i*38197%40009)%20500)||' days') END,
 CASE WHEN (i*13+5)%10<3 THEN 'Silver' WHEN (i*13+5)%10<5 THEN 'Gold' WHEN (i*13+5)%10=5 THEN 'Platinum' END,
 CASE WHEN (i*13+5)%10<6 THEN DATE('2015-03-01','+'||((i*16199%45007)%3500)||' days') END FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<760),
k(j) AS (SELECT 0 UNION ALL SELECT j+1 FROM k WHERE j<7),
b AS (SELECT i, j, DATE('2022-01-04','+'||((i*23209%28657)%1130+j)||' days') d, DATE('2022-01-04','+'||((i*23209%28657)%1130-(i*36929%32003)%89)||' days') bo,
 1+(i*87253%40009)%95 r, 1+(i*14425%28657)%151 g, json_extract('["BAR","BBR","ADV","COR","LOY","BAR","GRP","ADV","BAR"]','$['||((i*54113%45007)%9)||']') rc FROM n, k WHERE j<=((i*77197%28657)%23)%((i%5)+2) AND j<7)
INSERT INTO bookings SELECT 40000+i, j+1, d, r, g, rc,
 ROUND((38+stars*21+CASE room_type WHEN 'SGL' THEN 0 WHEN 'DBL' THEN 25 WHEN 'FAM' THEN 48 ELSE 110 END)*(1+0.25*(CAST(STRFTIME('%m',d) AS INT) BETWEEN 6 AND 9)+0.06*(SUBSTR(d,1,4)-2022))*(1-discount_pct/100)+(i*13+j*7)%17+0.05*((i*3)%19),2),
 MIN(max_guests,1+(i*80169%52009)%2), CASE WHEN max_guests=5 THEN (i*21845%32003)%4 WHEN max_guests=4 THEN (i*5)%3 ELSE 0 END,
 CASE WHEN rc='COR' THEN 'CRP' ELSE json_extract('["OTA","WEB","TEL","OTA","WEB","WLK","OTA"]','$['||((i*26873%45007)%7)||']') END,
 CASE WHEN (i*82817%45007)%29<4 THEN 'Cancelled' WHEN (i*82817%45007)%29=9 THEN 'No show' WHEN DATE(d,'-'||j||' days')>='2024-12-20' THEN 'Confirmed' ELSE 'Checked out' END, bo,
 json_extract('["late check-in","extra bed","quiet room","vegan breakfast","baby cot",null,null,null,null,null,null,null,null]','$['||((i*18873%52009)%13)||']')
 FROM b JOIN rooms ON room_id=r JOIN hotels ON hotels.hotel_id=rooms.hotel_id JOIN rates ON rates.rate_code=rc;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<310)
INSERT INTO reviews SELECT i, 1+(i*38275%28657)%11, 1+(i*33827%65521)%149, DATE('2022-02-01','+'||((i*77645%65521)%1090)||' days'),
 MAX(1,MIN(10, 4+(i*13845%60013)%6+((i*38275%28657)%11=1)-((i*38275%28657)%11=2)*2+(i%9=0)-3*(i%13=0))),
 json_extract('["Lovely staff","Noisy street",null,"Breakfast was great","Room too small",null,"Would come back","Wifi kept dropping",null,"Dirty bathroom","Perfect location"]','$['||((i*94898%65521)%11)||']'),
 CASE WHEN (i*23)%5<3 THEN DATE('2022-02-01','+'||((i*77645%65521)%1090+1+(i*7)%12)||' days') END FROM n;
