CREATE TABLE Winzer (WinzerID INTEGER PRIMARY KEY, Name TEXT, Ort TEXT, Anbaugebiet TEXT, Bio TEXT, "Partner seit" TEXT, Telefon TEXT, Rebfläche_ha REAL);
INSERT INTO Winzer VALUES
(1,'Weingut Kesselring','Bad Dürkheim','Pfalz','ja','14.03.2011','06322 4410',18.5),
(2,'Weingut Hohlbein','Deidesheim','Pfalz','nein','02.09.2015','06326 771',24),
(3,'Weinhof Trautwein','Nierstein','Rheinhessen','ja','20.01.2018','06133 5082',12.3),
(4,'Winzergenossenschaft Rebental','Alzey','Rheinhessen','nein','05.06.2009','06731 9900',210),
(5,'Weingut Dr. Molitor-Faß','Bernkastel','Mosel','nein','11.11.2013','06531 3320',9.8),
(6,'Klostermühle Sankt Urban','Piesport','Mosel','ja','28.02.2020',NULL,7.4),
(7,'Weingut Spätzinger','Ihringen','Baden','nein','17.04.2016','07668 512',15),
(8,'Bioweingut Löffelholz','Müllheim','Baden','ja','09.10.2021','07631 2277',6.2),
(9,'Weingut Graf Öttershausen','Geisenheim','Rheingau','nein','30.07.2012','06722 8080',31.5),
(10,'Schloßgut Wachenberg','Rüdesheim','Rheingau','nein','22.05.2023',NULL,19.7),
(11,'Weingut Häfner-Süß','Heilbronn','Württemberg','nein','13.12.2017','07131 6604',11),
(12,'Weinbau Zürnle','Fellbach','Württemberg','ja','01.04.2024','0711 55512',4.9);
CREATE TABLE Rebsorten (Kürzel TEXT PRIMARY KEY, Rebsorte TEXT, Farbe TEXT, Herkunft TEXT);
INSERT INTO Rebsorten VALUES ('RI','Riesling','weiß','Deutschland'),('MT','Müller-Thurgau','weiß','Schweiz'),('GB','Grauburgunder','weiß','Frankreich'),('WB','Weißburgunder','weiß','Frankreich'),('SI','Silvaner','weiß','Österreich'),('SP','Spätburgunder','rot','Frankreich'),('DO','Dornfelder','rot','Deutschland'),('LE','Lemberger','rot','Österreich'),('TR','Trollinger','rot','Italien'),('SB','Sauvignon Blanc','weiß','Frankreich'),('RG','Regent','rot','Deutschland');
CREATE TABLE Weine (WeinNr TEXT PRIMARY KEY, Bezeichnung TEXT, WinzerID INTEGER REFERENCES Winzer(WinzerID), Rebsorte TEXT, Jahrgang INTEGER, Weinart TEXT, Süße TEXT, Alkohol REAL, EK REAL, VK REAL, Auslauf TEXT);
INSERT INTO Weine VALUES
('W101','Dürkheimer Feuerberg Riesling',1,'RI',2022,'W','trocken',12.5,5.2,9.9,'nein'),
('W102','Pfälzer Hausrot',1,'DO',2021,'R','halbtrocken',13,3.9,7.5,'nein'),
('W103','Grauburgunder Kalkmergel',2,'GB',2023,'W','trocken',13,5.8,10.9,'nein'),
('W104','Spätburgunder Reserve',2,'SP',2019,'R','trocken',14,11.5,22.5,'nein'),
('W105','Roter Hang Riesling',3,'RI',2021,'W','feinherb',12,6.9,13.5,'nein'),
('W106','Silvaner Alte Reben',3,'SI',2022,'W','trocken',12.5,6.1,11.9,'nein'),
('W107','Rebental Literwein weiß',4,'MT',2023,'W','lieblich',10.5,2.1,4.5,'nein'),
('W108','Rebental Literwein rot',4,'DO',2022,'R','lieblich',11,2.2,4.6,'ja'),
('W109','Rebental Rosé Sommer',4,'DO',2023,'RO','halbtrocken',11.5,2.8,5.9,'nein'),
('W110','Doctor-Lay Kabinett',5,'RI',2020,'W','lieblich',8.5,7.7,14.9,'nein'),
('W111','Doctor-Lay Auslese',5,'RI',2018,'W','edelsüß',7.5,14.2,29,'nein'),
('W112','Goldtröpfchen Spätlese',6,'RI',2021,'W','lieblich',8,9.1,18.5,'nein'),
('W113','Urban Feinherb',6,'RI',2022,'W','feinherb',10.5,5.9,11.5,'ja'),
('W114','Winklerberg Spätburgunder',7,'SP',2020,'R','trocken',13.5,9.8,19.5,'nein'),
('W115','Kaiserstuhl Weißburgunder',7,'WB',2023,'W','trocken',13,5.4,10.5,'nein'),
('W116','Spätburgunder Weißherbst',7,'SP',2022,'RO','halbtrocken',12,4.6,8.9,'ja'),
('W117','Löffelholz Regent',8,'RG',2021,'R','trocken',13,6.3,12.9,'nein'),
('W118','Löffelholz Sauvignon',8,'SB',2023,'W','trocken',12.5,6.8,13.9,'nein'),
('W119','Geisenheimer Rothenberg',9,'RI',2019,'W','trocken',13,12.9,26,'nein'),
('W120','Graf Ö. Gutsriesling',9,'RI',2023,'W','trocken',12,5.1,9.8,'nein'),
('W121','Wachenberg Pinot Noir',10,'SP',2021,'R','trocken',13.5,10.4,21,'nein'),
('W122','Trollinger Fass 7',11,'TR',2022,'R','halbtrocken',12,3.7,7.2,'nein'),
('W123','Lemberger Schwarzriegel',11,'LE',2020,'R','trocken',13.5,7.2,14.5,'nein'),
('W124','Trollinger mit Lemberger',11,NULL,2022,'R','halbtrocken',12.5,4,7.9,'nein'),
('W125','Sekt Brut Häfner',11,NULL,NULL,'S','brut',12.5,6.5,13.2,'nein');
CREATE TABLE Kunden (KdNr INTEGER PRIMARY KEY, Name TEXT, Kundenart TEXT, Straße TEXT, PLZ TEXT, Ort TEXT, EMail TEXT, Newsletter TEXT, "Kunde seit" TEXT);
INSERT INTO Kunden VALUES
(501,'Restaurant Zum Anker','Gastro','Rheinufer 3','55116','Mainz','anker@rest.example','nein','12.05.2014'),
(502,'Brigitte Sauerbier','privat','Nelkenweg 8','55118','Mainz','b.sauerbier@post.example','ja','03.11.2019'),
(503,'Feinkost Maßmann','Handel','Kaiserstr. 40','65183','Wiesbaden','kontakt@massmann.example','ja','21.02.2016'),
(504,'Hotel Schwarzer Bär','Gastro','Am Markt 1','67059','Ludwigshafen','einkauf@baer.example','nein','30.08.2013'),
(505,'Jörg Tränkle','privat','Bergstr. 17','68159','Mannheim',NULL,'nein','14.01.2022'),
(506,'Weinbar Rebstöckle','Gastro','Quadrat G7 12','68159','Mannheim','hallo@rebstoeckle.example','ja','09.06.2020'),
(507,'Dr. Ulrike Pfannenschmid','privat','Taunusblick 5','65183','Wiesbaden','u.pfann@post.example','ja','18.12.2017'),
(508,'Kantine Stadtwerke','Gastro','Industriestr. 2','55120','Mainz',NULL,'nein','25.03.2021'),
(509,'Getränke Nußbaum','Handel','Hauptstr. 91','67059','Ludwigshafen','nussbaum@getraenke.example','nein','07.07.2015'),
(510,'Familie Yıldız','privat','Lerchenweg 22','55118','Mainz','yildiz@post.example','ja','02.04.2023'),
(511,'Heiko Wunderlich','privat','Schloßallee 6','68163','Mannheim','h.wunder@post.example','nein','16.10.2023'),
(512,'Café Morgenröte','Gastro','Gartenstr. 14','65185','Wiesbaden','cafe@morgenroete.example','ja','11.05.2022'),
(513,'Sportverein Gonsenheim','Verein','Am Sportfeld 1','55124','Mainz','vorstand@svg.example','nein','29.09.2018'),
(514,'Annelie Großkopf','privat','Hafenstr. 33','67061','Ludwigshafen',NULL,'nein','05.01.2024'),
(515,'Delikatessen Kühn','Handel','Neugasse 7','65183','Wiesbaden','info@kuehn.example','ja','13.03.2012'),
(516,'Chorverein Harmonie','Verein','Kirchplatz 2','67059','Ludwigshafen','chor@harmonie.example','ja','22.06.2021'),
(517,'Tobias Ehrenpreis','privat','Waldweg 10','55116','Mainz','t.ehren@post.example','ja','19.02.2024'),
(518,'Gasthaus Krone','Gastro','Dorfstr. 28','68526','Ladenburg','krone@gasthaus.example','nein','08.08.2019'),
(519,'Sieglinde Mätzig','privat','Fliederstr. 4','65187','Wiesbaden',NULL,'nein','27.05.2024');
CREATE TABLE Bestellungen (BestNr INTEGER PRIMARY KEY, KdNr INTEGER REFERENCES Kunden(KdNr), Bestelldatum TEXT, Versanddatum TEXT, Kanal TEXT, Status TEXT, Versandkosten REAL);
INSERT INTO Bestellungen VALUES
(7001,501,'2023-01-12','2023-01-14','Telefon','geliefert',0),(7002,503,'2023-01-30','2023-02-02','Web','geliefert',0),(7003,502,'2023-02-17','2023-02-20','Web','geliefert',6.9),
(7004,504,'2023-03-06','2023-03-09','Telefon','geliefert',0),(7005,507,'2023-03-24','2023-03-24','Laden','geliefert',0),(7006,505,'2023-04-11','2023-04-15','Web','geliefert',6.9),
(7007,509,'2023-05-03','2023-05-08','Telefon','geliefert',0),(7008,501,'2023-05-22','2023-05-24','Telefon','geliefert',0),(7009,510,'2023-06-09',NULL,'Web','storniert',6.9),
(7010,506,'2023-06-28','2023-07-01','Web','geliefert',4.9),(7011,513,'2023-07-14','2023-07-19','Telefon','geliefert',4.9),(7012,515,'2023-08-02','2023-08-04','Web','geliefert',0),
(7013,512,'2023-09-05','2023-09-11','Web','geliefert',4.9),(7014,504,'2023-09-27','2023-09-29','Telefon','geliefert',0),(7015,511,'2023-10-20','2023-10-24','Web','geliefert',6.9),
(7016,503,'2023-11-08','2023-11-13','Web','geliefert',0),(7017,502,'2023-11-25','2023-11-28','Web','geliefert',6.9),(7018,501,'2023-12-04','2023-12-06','Telefon','geliefert',0),
(7019,507,'2023-12-15','2023-12-18','Web','geliefert',6.9),(7020,509,'2023-12-18','2023-12-27','Telefon','geliefert',0),(7021,514,'2024-01-09','2024-01-12','Web','geliefert',6.9),
(7022,506,'2024-01-26',NULL,'Web','storniert',4.9),(7023,504,'2024-02-14','2024-02-16','Telefon','geliefert',0),(7024,517,'2024-02-23','2024-02-23','Laden','geliefert',0),
(7025,515,'2024-03-11','2024-03-14','Web','geliefert',0),(7026,505,'2024-04-05','2024-04-12','Web','geliefert',6.9),(7027,501,'2024-04-22','2024-04-24','Telefon','geliefert',0),
(7028,516,'2024-05-07','2024-05-10','Web','geliefert',4.9),(7029,518,'2024-05-29','2024-06-03','Telefon','geliefert',4.9),(7030,503,'2024-06-12','2024-06-14','Web','geliefert',0),
(7031,512,'2024-06-21','2024-06-27','Web','geliefert',4.9),(7032,507,'2024-07-08','2024-07-08','Laden','geliefert',0),(7033,506,'2024-08-19','2024-08-22','Web','geliefert',4.9),
(7034,501,'2024-09-10','2024-09-13','Web','geliefert',0),(7035,517,'2024-09-26',NULL,'Web','offen',6.9),(7036,509,'2024-10-02',NULL,'Telefon','offen',0),(7037,510,'2024-10-07',NULL,'Web','offen',6.9);
CREATE TABLE Bestellpositionen (BestNr INTEGER, Pos INTEGER, WeinNr TEXT, Flaschen INTEGER, Einzelpreis REAL, "Rabatt %" REAL);
INSERT INTO Bestellpositionen VALUES
(7001,1,'W107',60,4.5,10),(7001,2,'W108',48,4.6,10),(7002,1,'W104',12,22.5,5),(7002,2,'W111',6,29,NULL),(7003,1,'W105',6,13.5,NULL),(7003,2,'W112',3,18.5,NULL),
(7004,1,'W101',36,9.9,8),(7004,2,'W102',36,7.5,8),(7005,1,'W119',2,26,NULL),(7006,1,'W122',12,7.2,NULL),(7007,1,'W107',120,4.3,12),(7007,2,'W109',60,5.9,12),
(7008,1,'W107',48,4.5,10),(7008,2,'W109',36,5.9,10),(7009,1,'W110',6,14.9,NULL),(7010,1,'W118',18,13.9,5),(7010,2,'W103',24,10.9,5),(7011,1,'W124',30,7.9,5),
(7012,1,'W119',12,26,8),(7012,2,'W121',12,21,8),(7013,1,'W116',12,8.9,NULL),(7013,2,'W115',12,10.5,NULL),(7014,1,'W101',48,9.9,8),(7014,2,'W114',12,19.5,8),
(7015,1,'W117',6,12.9,NULL),(7015,2,'W123',6,14.5,NULL),(7016,1,'W111',12,29,5),(7016,2,'W125',24,13.2,5),(7017,1,'W105',12,13.5,3),(7018,1,'W108',60,4.6,10),
(7018,2,'W125',36,13.2,10),(7019,1,'W104',6,22.5,NULL),(7019,2,'W110',6,14.9,NULL),(7020,1,'W102',90,7.5,12),(7021,1,'W120',12,9.8,NULL),(7022,1,'W103',18,10.9,5),
(7023,1,'W101',42,9.9,8),(7023,2,'W123',18,14.5,8),(7024,1,'W112',2,18.5,NULL),(7025,1,'W121',18,21,8),(7025,2,'W106',12,11.9,8),(7026,1,'W122',18,7.2,3),
(7027,1,'W107',72,4.6,10),(7028,1,'W125',12,13.2,5),(7028,2,'W109',18,6.1,5),(7029,1,'W115',24,10.5,5),(7029,2,'W102',24,7.5,5),(7030,1,'W104',18,23.5,5),
(7030,2,'W119',6,26,5),(7031,1,'W109',24,6.1,NULL),(7032,1,'W118',6,13.9,NULL),(7033,1,'W103',30,11.2,5),(7033,2,'W114',6,19.5,5),(7034,1,'W120',36,9.8,10),
(7034,2,'W124',24,7.9,10),(7035,1,'W105',6,13.9,NULL),(7036,1,'W107',96,4.6,12),(7036,2,'W102',48,7.7,12),(7037,1,'W110',3,14.9,NULL);
CREATE TABLE Lager (LagerID INTEGER PRIMARY KEY, WeinNr TEXT, Standort TEXT, Bestand INTEGER, Mindestbestand INTEGER, "letzte Inventur" TEXT);
INSERT INTO Lager VALUES (1,'W101','Keller A',184,60,'08.07.2024'),(2,'W102','Keller A',96,72,'08.07.2024'),(3,'W103','Keller A',41,48,'08.07.2024'),(4,'W104','Tresor',22,12,'15.01.2024'),(5,'W105','Keller A',67,24,'08.07.2024'),(6,'W106','Keller A',35,24,'08.07.2024'),(7,'W107','Halle',612,240,'22.09.2023'),(8,'W108','Halle',74,120,'22.09.2023'),(9,'W109','Halle',138,96,'22.09.2023'),(10,'W110','Keller B',29,18,'03.05.2024'),(11,'W111','Tresor',9,12,'15.01.2024'),(12,'W112','Keller B',17,12,'03.05.2024'),(13,'W113','Keller B',0,0,'03.05.2024'),(14,'W114','Keller B',52,24,'03.05.2024'),(15,'W115','Keller B',88,36,'03.05.2024'),(16,'W116','Keller B',14,24,'03.05.2024'),(17,'W117','Keller B',46,18,NULL),(18,'W118','Keller A',31,24,'08.07.2024'),(19,'W119','Tresor',16,6,'15.01.2024'),(20,'W120','Keller A',123,48,'08.07.2024'),(21,'W121','Tresor',27,18,'15.01.2024'),(22,'W122','Keller B',61,36,'03.05.2024'),(23,'W123','Keller B',20,24,NULL),(24,'W101','Laden',12,6,'30.09.2024'),(25,'W103','Laden',8,6,'30.09.2024'),(26,'W107','Laden',18,12,'30.09.2024'),(27,'W118','Laden',4,6,'30.09.2024'),(28,'W125','Laden',11,6,'30.09.2024'),(29,'W125','Halle',90,60,'22.09.2023');
CREATE TABLE Rechnungen (RechNr TEXT PRIMARY KEY, BestNr INTEGER, Rechnungsdatum TEXT, "fällig am" TEXT, Betrag REAL, bezahlt TEXT, "bezahlt am" TEXT, Mahnstufe INTEGER);
INSERT INTO Rechnungen VALUES
('R23-001',7001,'14.01.2023','28.01.2023',441.72,'ja','25.01.2023',0),('R23-002',7002,'02.02.2023','16.02.2023',430.5,'ja','20.02.2023',0),('R23-003',7003,'20.02.2023','06.03.2023',143.4,'ja','22.02.2023',0),('R23-004',7004,'09.03.2023','23.03.2023',576.29,'ja','23.03.2023',0),('R23-005',7005,'24.03.2023','24.03.2023',52,'ja','24.03.2023',0),('R23-006',7006,'15.04.2023','29.04.2023',93.3,'ja','11.05.2023',1),('R23-007',7007,'08.05.2023','22.05.2023',765.6,'ja','19.05.2023',0),('R23-008',7008,'24.05.2023','07.06.2023',385.56,'ja','02.06.2023',0),('R23-009',7010,'01.07.2023','15.07.2023',491.11,'ja','04.08.2023',2),('R23-010',7011,'19.07.2023','02.08.2023',230.05,'ja','28.07.2023',0),('R23-011',7012,'04.08.2023','18.08.2023',518.88,'ja','10.08.2023',0),('R23-012',7013,'11.09.2023','25.09.2023',237.7,'nein',NULL,2),('R23-013',7014,'29.09.2023','13.10.2023',652.46,'ja','12.10.2023',0),('R23-014',7015,'24.10.2023','07.11.2023',171.3,'ja','27.10.2023',0),('R23-015',7016,'13.11.2023','27.11.2023',631.56,'ja','01.12.2023',0),('R23-016',7017,'28.11.2023','12.12.2023',164.04,'ja','30.11.2023',0),('R23-017',7018,'06.12.2023','20.12.2023',676.08,'ja','18.12.2023',0),('R23-018',7019,'18.12.2023','01.01.2024',231.3,'ja','22.12.2023',0),('R23-019',7020,'27.12.2023','10.01.2024',594,'ja','23.01.2024',1),
('R24-001',7021,'12.01.2024','26.01.2024',124.5,'ja','15.01.2024',0),('R24-002',7023,'16.02.2024','01.03.2024',622.66,'ja','29.02.2024',0),('R24-003',7024,'23.02.2024','23.02.2024',37,'ja','23.02.2024',0),('R24-004',7025,'14.03.2024','28.03.2024',479.14,'ja','25.03.2024',0),('R24-005',7026,'12.04.2024','26.04.2024',132.61,'nein',NULL,3),('R24-006',7027,'24.04.2024','08.05.2024',298.08,'ja','06.05.2024',0),('R24-007',7028,'10.05.2024','24.05.2024',259.69,'ja','14.05.2024',0),('R24-008',7029,'03.06.2024','17.06.2024',415.3,'nein',NULL,1),('R24-009',7030,'14.06.2024','28.06.2024',550.05,'ja','05.07.2024',1),('R24-010',7031,'27.06.2024','11.07.2024',151.3,'nein',NULL,2),('R24-011',7032,'08.07.2024','08.07.2024',83.4,'ja','08.07.2024',0),('R24-012',7033,'22.08.2024','05.09.2024',435.25,'nein',NULL,0),('R24-013',7034,'13.09.2024','27.09.2024',488.16,'nein',NULL,0);
