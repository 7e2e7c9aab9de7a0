CREATE TABLE branches (branch_id INTEGER PRIMARY KEY, branch_name TEXT NOT NULL, city TEXT NOT NULL, opened_on TEXT NOT NULL, closed_on TEXT, has_terrace INTEGER NOT NULL DEFAULT 0, monthly_rent REAL);
CREATE TABLE dining_tables (table_id INTEGER PRIMARY KEY, branch_id INTEGER NOT NULL REFERENCES branches(branch_id), table_no INTEGER NOT NULL, seats INTEGER NOT NULL, area TEXT NOT NULL);
CREATE TABLE staff (staff_id INTEGER PRIMARY KEY, full_name TEXT NOT NULL, role TEXT NOT NULL, branch_id INTEGER REFERENCES branches(branch_id), manager_id INTEGER REFERENCES staff(staff_id), hired_on TEXT NOT NULL, left_on TEXT, hourly_wage REAL NOT NULL, email TEXT);
CREATE TABLE menu_items (item_id INTEGER PRIMARY KEY, item_name TEXT NOT NULL, category TEXT NOT NULL, price REAL NOT NULL, food_cost REAL, is_vegan INTEGER NOT NULL DEFAULT 0, spice_level INTEGER, discontinued_on TEXT);
CREATE TABLE reservations (reservation_id INTEGER PRIMARY KEY, table_id INTEGER NOT NULL REFERENCES dining_tables(table_id), guest_name TEXT NOT NULL, phone TEXT, party_size INTEGER NOT NULL, reserved_for TEXT NOT NULL, booked_on TEXT NOT NULL, source TEXT NOT NULL, status TEXT NOT NULL, notes TEXT);
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, branch_id INTEGER NOT NULL REFERENCES branches(branch_id), table_id INTEGER REFERENCES dining_tables(table_id), staff_id INTEGER REFERENCES staff(staff_id), reservation_id INTEGER REFERENCES reservations(reservation_id), channel TEXT NOT NULL, ordered_at TEXT NOT NULL, guests INTEGER, payment_method TEXT, tip REAL, total_amount REAL);
CREATE TABLE order_lines (order_id INTEGER NOT NULL REFERENCES orders(order_id), line_no INTEGER NOT NULL, item_id INTEGER NOT NULL REFERENCES menu_items(item_id), qty INTEGER NOT NULL, unit_price REAL NOT NULL, line_total REAL NOT NULL, PRIMARY KEY (order_id, line_no));
INSERT INTO branches VALUES
(1,'Riverside','Bristol','2015-04-11',NULL,1,6200),(2,'Old Town','Bath','2017-09-02',NULL,0,5400),(3,'Harbour View','Cardiff','2018-05-19',NULL,1,7100),
(4,'Station Square','Exeter','2019-11-08',NULL,0,4300),(5,'Garden Court','Bristol','2021-06-26',NULL,1,5850),(6,'Northgate','Gloucester','2016-02-13','2023-08-31',0,3900),
(7,'University','Cardiff','2022-01-05',NULL,0,3650),(8,'Quayside','Plymouth','2025-02-14',NULL,1,NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<64)
INSERT INTO dining_tables SELECT i, (i*5+2)%7+1, (i-1)/7+1, '[2,4,4,6,2,8,4,10]'->>((i*i*13+i*7)%61%8), CASE WHEN (i*5+2)%7+1 IN (1,3,5) AND (i*i+i/3)%5=0 THEN 'terrace' WHEN (i*i*7+i)%6=2 THEN 'bar' WHEN (i*11)%13=4 THEN 'private room' ELSE 'main hall' END FROM n;
INSERT INTO staff VALUES
(1,'Helena Marsh','Operations Director',NULL,NULL,'2015-03-01',NULL,48.5,'h.marsh@tavolino.example'),
(2,'Tom Aldous','Branch Manager',1,1,'2015-04-01',NULL,29.4,'t.aldous@tavolino.example'),
(3,'Nadia Rahmani','Branch Manager',2,1,'2017-08-14',NULL,28.1,'n.rahmani@tavolino.example'),
(4,'Gareth Pugh-Lloyd','Branch Manager',3,1,'2018-04-30',NULL,28.75,'g.pugh@tavolino.example'),
(5,'Sofia Brandt','Branch Manager',4,1,'2020-01-13',NULL,26.9,'s.brandt@tavolino.example'),
(6,'Marcus Oyelaran','Branch Manager',5,1,'2021-05-17',NULL,27.3,'m.oyelaran@tavolino.example'),
(7,'Jill Fennimore','Branch Manager',6,1,'2016-01-20','2023-08-31',25.8,NULL),
(8,'Dewi Prosser','Branch Manager',7,1,'2021-12-01',NULL,26.2,'d.prosser@tavolino.example'),
(9,'Paolo Vitale','Head Chef',1,2,'2016-07-04',NULL,27.9,'p.vitale@tavolino.example'),
(10,'Anneke de Wit','Head Chef',2,3,'2018-02-19',NULL,26.4,NULL),(11,'Rhys Carrow','Head Chef',3,4,'2018-05-07',NULL,29.1,'r.carrow@tavolino.example'),
(12,'Imran Sheikh','Head Chef',4,5,'2019-10-21',NULL,25.2,NULL),(13,'Lucy Tremlett','Head Chef',5,6,'2021-06-07',NULL,25.95,'l.tremlett@tavolino.example'),
(14,'Bogdan Ilic','Cook',1,9,'2019-03-18',NULL,15.6,NULL),(15,'Chloe Nance','Cook',3,11,'2020-08-03','2022-11-30',14.2,NULL),
(16,'Samir Haddou','Cook',5,13,'2022-02-28',NULL,14.85,NULL),(17,'Freya Lindqvist','Cook',2,10,'2023-04-11',NULL,14.4,NULL),
(18,'Owen Batty','Waiter',1,2,'2018-06-11',NULL,12.9,NULL),(19,'Priya Menon','Waiter',1,2,'2021-09-06',NULL,12.35,'p.menon@tavolino.example'),
(20,'Jack Sellick','Waiter',2,3,'2019-05-27','2024-03-15',12.6,NULL),(21,'Marta Kowal','Waiter',2,3,'2022-03-21',NULL,12.1,NULL),
(22,'Elin Howells','Waiter',3,4,'2018-07-16',NULL,13.15,'e.howells@tavolino.example'),(23,'Dylan Amos','Waiter',3,4,'2023-01-09',NULL,11.8,NULL),
(24,'Ruth Okafor','Waiter',4,5,'2020-02-10',NULL,12.45,NULL),(25,'Ben Lugg','Waiter',4,5,'2022-10-17','2023-12-22',11.65,NULL),
(26,'Giulia Ferraro','Waiter',5,6,'2021-06-21',NULL,12.75,'g.ferraro@tavolino.example'),(27,'Callum Reid','Waiter',5,6,'2022-05-30',NULL,12.2,NULL),
(28,'Tessa Monk','Waiter',6,7,'2017-11-13','2023-08-31',12.5,NULL),(29,'Huw Bevan','Waiter',7,8,'2022-01-03',NULL,11.95,NULL),
(30,'Aisha Farah','Waiter',7,8,'2022-09-12',NULL,11.7,NULL),(31,'Noel Quick','Bartender',1,2,'2020-07-20',NULL,13.8,NULL),
(32,'Kasia Zielinska','Bartender',3,4,'2021-04-26',NULL,13.45,NULL),(33,'Leo Dartnell','Bartender',5,6,'2023-06-19',NULL,13.05,NULL),(34,'Mina Castellan','Waiter',1,2,'2024-11-25',NULL,11.9,NULL);
INSERT INTO menu_items VALUES
(1,'Bruschetta','Starter',6.5,1.7,1,NULL,NULL),(2,'Burrata with Figs','Starter',9.8,3.9,0,NULL,NULL),(3,'Calamari Fritti','Starter',8.9,3.1,0,1,NULL),(4,'Minestrone','Starter',6.9,1.4,1,NULL,NULL),
(5,'Arancini','Starter',7.4,2.05,0,1,NULL),(6,'Margherita','Pizza',10.5,2.6,0,NULL,NULL),(7,'Diavola','Pizza',13.2,3.7,0,3,NULL),(8,'Quattro Formaggi','Pizza',13.6,4.2,0,NULL,NULL),
(9,'Marinara','Pizza',9.4,1.9,1,1,NULL),(10,'Nduja and Honey','Pizza',14.1,4.05,0,3,NULL),(11,'Pizza Hawaii','Pizza',12.3,3.3,0,NULL,'2023-05-31'),(12,'Carbonara','Pasta',13.4,3.45,0,NULL,NULL),
(13,'Penne Arrabbiata','Pasta',11.7,2.2,1,2,NULL),(14,'Lasagne della Nonna','Pasta',14.3,4.6,0,NULL,NULL),(15,'Crab Linguine','Pasta',17.9,7.2,0,2,NULL),(16,'Truffle Gnocchi','Pasta',16.8,5.9,0,NULL,NULL),
(17,'Sea Bass al Forno','Main',22.5,9.1,0,NULL,NULL),(18,'Chicken Milanese','Main',18.4,5.75,0,NULL,NULL),(19,'Aubergine Parmigiana','Main',15.2,3.85,0,NULL,NULL),(20,'Ribeye Tagliata','Main',27.9,12.4,0,NULL,NULL),
(21,'Veal Saltimbocca','Main',23.7,10.2,0,NULL,'2022-12-31'),(22,'Tiramisu','Dessert',7.6,1.95,0,NULL,NULL),(23,'Panna Cotta','Dessert',7.1,1.6,0,NULL,NULL),(24,'Lemon Sorbet','Dessert',5.3,0.9,1,NULL,NULL),
(25,'Affogato','Dessert',5.9,1.25,0,NULL,NULL),(26,'House Red (glass)','Drink',6.2,1.8,1,NULL,NULL),(27,'Prosecco (glass)','Drink',7.3,2.3,1,NULL,NULL),(28,'Peroni','Drink',5.4,1.65,1,NULL,NULL),
(29,'Sparkling Water','Drink',3.2,0.45,1,NULL,NULL),(30,'Espresso','Drink',2.6,0.3,1,NULL,NULL),(31,'Negroni','Drink',9.6,2.9,1,NULL,NULL),(32,'Chilli Margarita','Drink',10.1,NULL,1,2,NULL),(33,'Pistachio Semifreddo','Dessert',8.2,NULL,0,NULL,NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<900),
h AS (SELECT i, (i*i*31+i*7919+17)%10007 AS a, (i*i*53+i*4231+5)%9973 AS b, (i*i*17+i*3571+71)%9949 AS c FROM n)
INSERT INTO reservations SELECT i, a%61+1,
 ('["Alice","Bram","Carys","Daniel","Esme","Farid","Greta","Harry","Ines","Joel","Kirsty","Liam","Mabel","Nico","Olwen","Peter","Rosa","Simon","Tilda"]'->>(b%19))||' '||('["Abbot","Bellamy","Crouch","Dando","Evans","Finch","Gough","Hale","Irons","Jarvis","Keane","Lacey","Morgan","Norris","Opie","Pascoe","Rudge","Symes","Tovey","Vance","Webb","Yeo","Zhang"]'->>(c%23)),
 CASE WHEN (a/61)%5=0 THEN NULL ELSE '07'||printf('%09d',(i*7919417+b*13)%1000000000) END, 1+(b/19)%8+(CASE WHEN c%29=3 THEN 4 ELSE 0 END),
 date('2022-01-01','+'||(b%1096)||' days')||' '||('["12:00","12:30","13:00","17:30","18:00","18:30","19:00","19:30","20:00","20:30"]'->>((c/23)%10)),
 date('2022-01-01','+'||(b%1096)||' days','-'||((a/7)%26)||' days'), '["phone","website","app","walk-in","website","phone","partner"]'->>((a/5)%7),
 CASE WHEN (c/7)%11<7 THEN 'seated' WHEN (c/7)%11<10 THEN 'cancelled' ELSE 'no_show' END,
 CASE WHEN (a+c)%9=0 THEN 'birthday' WHEN (a+c)%9=1 THEN 'window seat please' WHEN (a+c)%31=2 THEN 'nut allergy' WHEN (a+c)%23=4 THEN 'anniversary, cake at table' WHEN (a+c)%27=5 THEN 'high chair' END FROM h;
UPDATE reservations SET status='confirmed' WHERE reserved_for>='2024-12-18';
CREATE TEMP TABLE o AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1250),
h AS (SELECT i, (i*i*29+i*6121+11)%10009 AS a, (i*i*41+i*5237+7)%9967 AS b, (i*i*23+i*2749+31)%9941 AS c FROM n)
SELECT i,a,b,c, CASE WHEN a%10<6 THEN 'dine_in' WHEN a%10<8 THEN 'takeaway' ELSE 'delivery' END AS ch, '[1,1,1,2,2,3,3,3,4,5,5,5,6,7,1,3]'->>(b%16) AS br, date('2022-01-02','+'||(c%1090)||' days') AS d FROM h;
INSERT INTO orders SELECT 5000+i, CASE WHEN br=6 AND d>'2023-08-31' THEN 4 ELSE br END, CASE WHEN ch='dine_in' THEN (SELECT min(t.table_id*(c%53+1)%59*1000+t.table_id)%1000 FROM dining_tables t WHERE t.branch_id=CASE WHEN br=6 AND d>'2023-08-31' THEN 4 ELSE br END) END,
 CASE WHEN ch='dine_in' THEN (SELECT min(s.staff_id*(a%31+1)%37*1000+s.staff_id)%1000 FROM staff s WHERE s.role='Waiter' AND s.branch_id=CASE WHEN br=6 AND d>'2023-08-31' THEN 4 ELSE br END AND s.hired_on<=d AND coalesce(s.left_on,'9')>d) END,
 NULL, ch, d||' '||printf('%02d:%02d',CASE WHEN b%5<2 THEN 12+b%3 ELSE 17+a%6 END,(c*7)%60), CASE WHEN ch='dine_in' THEN 1+(b/16)%6 END, CASE WHEN a%47=5 THEN NULL ELSE '["card","card","cash","card","voucher","app","cash","card"]'->>((c/3)%8) END, CASE WHEN ch<>'dine_in' OR (c/5)%4=1 THEN NULL ELSE round(0.5*((a/10)%21),2) END, 0 FROM o;
DROP TABLE temp.o;
UPDATE orders SET reservation_id=(SELECT reservation_id FROM reservations r WHERE r.table_id=orders.table_id AND r.status='seated' AND r.reservation_id=(orders.order_id*7)%900+1) WHERE channel='dine_in';
UPDATE orders SET reservation_id=(SELECT min(reservation_id) FROM reservations r WHERE r.table_id=orders.table_id AND r.status='seated' AND substr(r.reserved_for,1,7)=substr(ordered_at,1,7)) WHERE channel='dine_in' AND reservation_id IS NULL;
INSERT INTO order_lines SELECT order_id, k, item, q, round(p*CASE substr(ordered_at,1,4) WHEN '2022' THEN 0.92 WHEN '2023' THEN 0.96 ELSE 1 END,2), 0 FROM (SELECT o.order_id, o.ordered_at, k.k, '[1,1,2,1,3,2,1,4,1,2]'->>((o.order_id*k.k*37+o.order_id/3)%10) AS q, m.item_id AS item, m.price AS p
 FROM orders o, (SELECT 1 AS k UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4) k JOIN menu_items m ON m.item_id=((o.order_id*o.order_id*13+o.order_id*k.k*1777+k.k*k.k*59)%4999)%32+1 WHERE k.k<=1+(o.order_id*o.order_id*7+o.order_id)%4 AND (m.discontinued_on IS NULL OR m.discontinued_on>=substr(o.ordered_at,1,10)));
UPDATE order_lines SET line_total=round(qty*unit_price,2);
UPDATE orders SET total_amount=(SELECT round(sum(line_total),2) FROM order_lines l WHERE l.order_id=orders.order_id);
DELETE FROM orders WHERE total_amount IS NULL;
CREATE INDEX ix_lines_item ON order_lines(item_id);
