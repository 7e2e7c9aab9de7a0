CREATE TABLE books (book_id INTEGER PRIMARY KEY, isbn TEXT, title TEXT NOT NULL, author TEXT NOT NULL, genre TEXT, lang TEXT, pub_year INTEGER, pages INTEGER);
CREATE TABLE copies (copy_id INTEGER PRIMARY KEY, book_id INTEGER NOT NULL REFERENCES books(book_id), barcode TEXT UNIQUE, branch TEXT, condition TEXT /* N new, G good, P poor */, acquired_on TEXT, price_cents INTEGER, withdrawn_on TEXT);
CREATE TABLE members (member_id INTEGER PRIMARY KEY, card_no TEXT UNIQUE, full_name TEXT NOT NULL, member_type TEXT /* A adult, J junior, S senior */, town TEXT, birth_year INTEGER, email TEXT, joined_on TEXT, is_blocked INTEGER DEFAULT 0);
CREATE TABLE loans (loan_id INTEGER PRIMARY KEY, copy_id INTEGER NOT NULL REFERENCES copies(copy_id), member_id INTEGER NOT NULL REFERENCES members(member_id), loaned_at TEXT, due_on TEXT, returned_on TEXT, renewals INTEGER DEFAULT 0);
CREATE TABLE fines (fine_id INTEGER PRIMARY KEY, loan_id INTEGER NOT NULL REFERENCES loans(loan_id), reason TEXT, amount_cents INTEGER, issued_on TEXT, paid_on TEXT, waived INTEGER DEFAULT 0);
CREATE TABLE holds (hold_id INTEGER PRIMARY KEY, book_id INTEGER NOT NULL REFERENCES books(book_id), member_id INTEGER NOT NULL REFERENCES members(member_id), placed_on TEXT, pickup_branch TEXT, status TEXT /* W waiting, R ready, F fulfilled, X cancelled */, notified_on TEXT);
INSERT INTO books VALUES
(1,'9780000010011','The Salt Orchard','Mirela Danescu','Fiction','en',2016,312),
(2,'9780000010028','A Ladder for the Moon','Tobias Ahlgren','Children','en',2019,48),
(3,'9780000010035','Quiet Engines','Priya Raghunath','Science','en',2014,268),
(4,'9780000010042','Death at Wicker Lock','Hester Coyle','Crime','en',2018,344),
(5,'9780000010059','The Drowned Ledger','Hester Coyle','Crime','en',2020,371),
(6,'9780000010066','Murder, Twice Removed','Hester Coyle','Crime','en',2022,358),
(7,'9780000010073','Bread of Seven Valleys','Ilaria Bonetti','Cookery','en',2017,224),
(8,'9780000010080','Der lange Fluss','Jonas Weidner','Fiction','de',2011,402),
(9,'9780000010097','Les jours sans vent','Claire Aubin','Fiction','fr',2013,256),
(10,'9780000010103','Badger Learns to Whistle','Tobias Ahlgren','Children','en',2015,32),
(11,'9780000010110','The Clockmaker of Tiraspol','Mirela Danescu','Fiction','en',2020,389),
(12,'9780000010127','A Field Guide to Puddles','Orla Kinsella','Nature','en',2018,176),
(13,'9780000010134','Hedgerow Year','Orla Kinsella','Nature','en',2021,208),
(14,'9780000010141','Kings of the Narrow Sea','Bertrand Osei','History','en',2009,512),
(15,'9780000010158','The Tin Parliament','Bertrand Osei','History','en',2015,468),
(16,'9780000010165','Salt Roads','Bertrand Osei','History','en',2019,541),
(17,'9780000010172','Small Hours, Big Numbers','Priya Raghunath','Science','en',2018,242),
(18,'9780000010189','The Lighthouse Ate My Sister','Wren Adeyemi','Children','en',2021,196),
(19,'9780000010196','Ninety Soups','Ilaria Bonetti','Cookery','en',2020,198),
(20,'9780000010202','Wolf at the Allotment','Gareth Pym','Crime','en',2016,299),
(21,'9780000010219','The Second Postman','Gareth Pym','Crime','en',2019,318),
(22,'9780000010226','An Inheritance of Rain','Sunniva Lie','Fiction','en',2017,274),
(23,'9780000010233','Winter, Unaddressed','Sunniva Lie','Fiction','en',2022,231),
(24,'9780000010240','Steam and Stubbornness','Edmund Farrow','Biography','en',2007,436),
(25,'9780000010257','The Woman Who Measured Ice','Lotte Brandt','Biography','en',2021,352),
(26,'9780000010264','Der Nachtgärtner','Jonas Weidner','Crime','de',2017,328),
(27,'9780000010271','Petit renard, grande ville','Claire Aubin','Children','fr',2020,40),
(28,'9780000010288','Knots, Hitches and Lies','Dougal Mair','Crime','en',2013,287),
(29,'9780000010295','Harbour Lights','Dougal Mair','Fiction','en',2010,305),
(30,'9780000010301','How Bridges Think','Anselm Voss','Science','en',2012,299),
(31,'9780000010318','The Patient Volcano','Anselm Voss','Science','en',2020,281),
(32,'9780000010325','Owls of the Ring Road','Orla Kinsella','Nature','en',2023,192),
(33,NULL,'Our Town in Photographs 1890-1950','Local History Society','History','en',1998,120),
(34,NULL,'Mills and Millers of the Upper Valley','Local History Society','History','en',2003,148),
(35,'9780000010356','Dragons Do Not Do Homework','Wren Adeyemi','Children','en',2018,160),
(36,'9780000010363','Dragons Do Not Do Sports Day','Wren Adeyemi','Children','en',2020,168),
(37,'9780000010370','The Glass Violin','Mirela Danescu','Fiction','en',2023,333),
(38,'9780000010387','Pickle Everything','Ilaria Bonetti','Cookery','en',2023,188),
(39,'9780000010394','Nobody Drives to Lisbon','Rui Tavares Pinto','Fiction','en',2018,264),
(40,'9780000010400','A Casa do Farol','Rui Tavares Pinto','Fiction','pt',2015,219),
(41,'9780000010417','Letters from Platform Four','Edmund Farrow','Biography','en',2014,388),
(42,'9780000010424','The Accidental Astronomer','Lotte Brandt','Biography','en',2016,317),
(43,'9780000010431','Concrete for Poets','Anselm Voss','Science','en',2023,255),
(44,'9780000010448','The Blackthorn Alibi','Hester Coyle','Crime','en',2024,366);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<170),
h AS (SELECT i, (i*i*37+i*7919+11)%10007 a, (i*i*53+i*10477+5)%10009 b, (i*i*71+i*12997+3)%9973 c FROM n)
INSERT INTO copies SELECT i, CASE WHEN i<=43 THEN i ELSE 1+(a%43)*(b%43)/43 END, printf('B%06d', 400000+i*37), CASE WHEN c%10<5 THEN 'Central' WHEN c%10<8 THEN 'Harbour' ELSE 'Northgate' END,
 CASE WHEN a%10<2 THEN 'N' WHEN a%10<8 THEN 'G' ELSE 'P' END, date('2015-02-03','+'||(b%3400)||' days'), 650+(c%47)*45, CASE WHEN b%12=0 THEN date('2024-06-30','-'||(c%500)||' days') END FROM h;
WITH f(k,n) AS (VALUES (0,'Agnes'),(1,'Billal'),(2,'Carys'),(3,'Dmitri'),(4,'Edith'),(5,'Farida'),(6,'Gwil'),(7,'Hanne'),(8,'Idris'),(9,'Joan'),(10,'Kofi'),(11,'Lena'),(12,'Marek'),(13,'Nesta'),(14,'Owain'),(15,'Pilar'),(16,'Quentin'),(17,'Rosa'),(18,'Stefan'),(19,'Thandi'),(20,'Una'),(21,'Viktor'),(22,'Wanda')),
l(k,n) AS (VALUES (0,'Ashworth'),(1,'Bevan'),(2,'Castellano'),(3,'Drummond'),(4,'Eze'),(5,'Fairley'),(6,'Gruffydd'),(7,'Hollis'),(8,'Iqbal'),(9,'Jarvis'),(10,'Kowalski'),(11,'Lindqvist'),(12,'Mbeki'),(13,'Nowak'),(14,'Oakes'),(15,'Pritchard'),(16,'Rashid'),(17,'Stubbs'),(18,'Tanner')),
n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<140), h AS (SELECT i, (i*i*41+i*3571+7)%10007 a, (i*i*29+i*6151+2)%10009 b, (i*i*67+i*919+1)%9973 c FROM n),
m AS (SELECT *, CASE WHEN a%20<11 THEN 'A' WHEN a%20<16 THEN 'J' ELSE 'S' END t FROM h)
INSERT INTO members SELECT i, printf('TL-%05d', 10200+i*13), f.n||' '||l.n, t, CASE WHEN b%20<9 THEN 'Marlow Bridge' WHEN b%20<14 THEN 'Eastcombe' WHEN b%20<18 THEN 'Penhallow' ELSE 'Little Stoke' END,
 CASE t WHEN 'A' THEN 1962+c%42 WHEN 'J' THEN 2009+c%9 ELSE 1938+c%20 END, CASE WHEN c%5<>0 THEN lower(f.n)||'.'||lower(l.n)||CASE b%3 WHEN 0 THEN '@postbox.example' WHEN 1 THEN '@valleynet.example' ELSE '@inbox.example' END END,
 date('2017-03-01','+'||(i*20+c%19)||' days'), CASE WHEN b%13=0 THEN 1 ELSE 0 END FROM m JOIN f ON f.k=i%23 JOIN l ON l.k=(i*7)%19;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1900),
h AS (SELECT i, (i*i*43+i*7351+11)%10007 a, (i*i*59+i*1049+5)%10009 b, (i*i*73+i*2999+3)%9973 c, (i*i*31+i*4447+9)%9967 d FROM n),
k AS (SELECT *, date('2021-01-05','+'||((i*1440)/1900 + CASE WHEN a%9=0 THEN 1 ELSE 0 END)||' days') ld, CASE WHEN d%10<6 THEN 5+c%16 WHEN d%10<9 THEN 16+b%15 ELSE 25+a%40 END days FROM h)
INSERT INTO loans SELECT i, 1+(a%170)*(130+b%41)/170, 1+(c%128)*(60+d%69)/128, ld||' '||printf('%02d:%02d',9+(b%9),c%60), date(ld,'+21 days'),
 CASE WHEN d%61=0 THEN NULL WHEN date(ld,'+'||days||' days')>'2024-12-15' THEN NULL ELSE date(ld,'+'||days||' days') END, CASE WHEN d%10<6 THEN (a%5)/4 ELSE b%3 END FROM k;
INSERT INTO fines SELECT row_number() OVER (ORDER BY due_on, loan_id), loan_id, CASE WHEN returned_on IS NULL THEN 'LOST' WHEN loan_id%17=0 THEN 'DAMAGE' ELSE 'LATE' END,
 CASE WHEN returned_on IS NULL THEN 1200+(loan_id*83)%900 WHEN loan_id%17=0 THEN 300+(loan_id*29)%500 ELSE CAST(julianday(returned_on)-julianday(due_on) AS INTEGER)*20 END,
 CASE WHEN returned_on IS NULL THEN date(due_on,'+60 days') ELSE returned_on END, CASE WHEN (loan_id*loan_id*7+loan_id)%23<14 THEN date(COALESCE(returned_on,date(due_on,'+60 days')),'+'||((loan_id*31)%45)||' days') END, 0
 FROM loans WHERE (returned_on IS NULL AND due_on<'2024-10-01') OR returned_on>due_on OR (loan_id%85=0 AND returned_on IS NOT NULL);
UPDATE fines SET waived=1 WHERE paid_on IS NULL AND (loan_id*13)%7=0;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<420),
h AS (SELECT i, (i*i*47+i*7351+11)%10007 a, (i*i*61+i*1049+5)%10009 b, (i*i*79+i*2999+3)%9973 c, date('2022-01-10','+'||((i*1060)/420)||' days') p FROM n),
s AS (SELECT *, CASE WHEN i>385 THEN CASE WHEN a%3=0 THEN 'R' ELSE 'W' END WHEN a%17<13 THEN 'F' WHEN a%17<16 THEN 'X' ELSE 'W' END st FROM h)
INSERT INTO holds SELECT i, 1+(43-(a%44)*(b%44)/44), 1+(c%140)*(80+b%61)/140, p, CASE WHEN c%7<4 THEN 'Central' WHEN c%7<6 THEN 'Harbour' ELSE 'Northgate' END, st, CASE WHEN st IN ('F','R') THEN date(p,'+'||(2+b%30)||' days') END FROM s;
